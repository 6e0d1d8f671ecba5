// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver of device-private pages with faults to choose from, shaped like one for a GPU: clients with tables of pages, jobs that
 * a timer's interrupt completes, scatter lists that another task retires, copy-on-write sharing, a table of mappings that is
 * unmapped slowly, a cache with a shrinker, a walker that takes references speculatively, and per-CPU magazines of free pages
 * with a quarantine behind them.
 *
 * Each kind of reference is taken and given back by functions of its own:
 *   a slot of a client's table   weir_page_alloc, weir_share     weir_slot_drop, weir_cow_break, weir_inbox_refuse
 *   a job                        weir_job_pin                    weir_job_unwind, weir_job_release
 *   a scatter list               weir_sg_build                   weir_sg_retire
 *   a mapping                    weir_map_insert                 weir_unmap_work, weir_invalidate_all
 *   an exclusive use             weir_grab                       weir_grab (busy), weir_ungrab
 *   the cache                    weir_cache_add                  weir_shrink_one
 *   the walker                   weir_walk_one                   weir_walk_one, weir_putback
 *   a pin for long               weir_pin_long                   weir_unpin_long
 * A fault is told in the kernel's log as GUILTY, with the page, the function and the kind of finding that is right.
 */
#define pr_fmt(fmt) "weir: " fmt
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#define MAX_PAGES 512
#define CLIENTS 8
#define SLOTS 24
#define JOB_PAGES 6
#define SG_PAGES 8
#define MAPPINGS 48
#define MAGAZINE 8
#define WALK_BATCH 32
#define PINS 6

static char *mode = "none";
module_param(mode, charp, 0444); /* the fault, or none */
static int rounds;
module_param(rounds, int, 0444); /* operations of each client; 0: the driver only tells where its pages are */
static int clients = 4;
module_param(clients, int, 0444);
static int pages = 256;
module_param(pages, int, 0444);
static int at = 40;
module_param(at, int, 0444); /* when the fault may happen first, in percent of the rounds */
static int times = 1;
module_param(times, int, 0444); /* how often it happens; 0: whenever it can */
static bool drain;
module_param(drain, bool, 0444); /* tables, mappings and the cache are given back before SETTLED is said */
static bool wait;
module_param(wait, bool, 0444); /* loading ends when SETTLED has been said */
static int pause_us = 1500;
module_param(pause_us, int, 0444); /* the longest pause between two operations of a client */

enum {
	ERRLEAK, FENCELEAK, COWLEAK, WALKLEAK, SGLEAK, NOTIFLEAK, BACKOFFLEAK, SLOTLEAK, PINLEFT, CACHELEAK, PUTBACKLEAK,
	DBLFENCE, NOTIFPUT, SHRINKPUT, COWPUT, UNWINDPUT, GETFREE, PUTFREE, NOINIT, DBLALLOC, FAULTS,
};
/* What is right to say of each: who took a reference that stays out, or who put, got or handed out what was not theirs. */
static const struct {
	const char *mode, *kind, *function;
} faults[] = {
	[ERRLEAK] = { "errleak", "leak", "weir_job_pin" },
	[FENCELEAK] = { "fenceleak", "leak", "weir_job_pin" },
	[COWLEAK] = { "cowleak", "leak", "weir_share|weir_page_alloc" },
	[WALKLEAK] = { "walkleak", "leak", "weir_walk_one" },
	[SGLEAK] = { "sgleak", "leak", "weir_sg_build" },
	[NOTIFLEAK] = { "notifleak", "leak", "weir_map_insert" },
	[BACKOFFLEAK] = { "backoffleak", "leak", "weir_grab" },
	[SLOTLEAK] = { "slotleak", "leak", "weir_share|weir_page_alloc" },
	[PINLEFT] = { "pinleft", "leak", "weir_pin_long" },
	[CACHELEAK] = { "cacheleak", "leak", "weir_cache_add" },
	[PUTBACKLEAK] = { "putbackleak", "leak", "weir_walk_one" },
	[DBLFENCE] = { "dblfence", "surplus-put", "weir_job_release" },
	[NOTIFPUT] = { "notifput", "surplus-put", "weir_invalidate_all" },
	[SHRINKPUT] = { "shrinkput", "surplus-put", "weir_shrink_one" },
	[COWPUT] = { "cowput", "surplus-put", "weir_cow_break" },
	[UNWINDPUT] = { "unwindput", "surplus-put", "weir_job_unwind" },
	[GETFREE] = { "getfree", "get-on-free-page", "weir_map_insert" },
	[PUTFREE] = { "putfree", "put-on-free-page", "weir_putback" },
	[NOINIT] = { "noinit", "no-initialisation", "weir_page_alloc" },
	[DBLALLOC] = { "dblalloc", "count-mismatch", "weir_page_alloc" },
};
static int fault = FAULTS;
static atomic_t operations, faults_left;

enum { BUSY, FREE, MAPPED };

/* One for each page. A page is on a list only while it is free. */
struct frame {
	struct page *page;
	struct list_head list;
	unsigned long flags;
	unsigned long freed;
};

struct magazine {
	int n;
	struct page *pages[MAGAZINE];
};

struct slot {
	struct page *page;
	bool shared;
};

/* A reference in a queue. */
struct held {
	struct list_head list;
	struct page *page;
};

struct client {
	int id;
	struct task_struct *task;
	struct slot table[SLOTS];
	struct page *pins[PINS];
	spinlock_t lock;
	struct list_head inbox;
	struct completion done;
};

struct job {
	struct timer_list fence;
	struct delayed_work timeout;
	int done;
	int n;
	struct page *pages[JOB_PAGES];
};

struct sg {
	struct list_head list;
	int n;
	struct page *pages[SG_PAGES];
};

struct mapping {
	struct delayed_work unmap;
	struct page *page;
};

static struct dev_pagemap pagemap;
static struct frame frames[MAX_PAGES];
static DEFINE_PER_CPU(struct magazine, magazines);
static DEFINE_SPINLOCK(depot_lock);
static LIST_HEAD(depot);
static LIST_HEAD(quarantine);
static struct client all_clients[CLIENTS];
static struct workqueue_struct *queue;
static atomic_t jobs_out, sgs_out, cache_size;
static DEFINE_SPINLOCK(sg_lock);
static LIST_HEAD(sg_queue);
static DEFINE_SPINLOCK(map_lock);
static struct mapping mappings[MAPPINGS];
static DEFINE_SPINLOCK(cache_lock);
static LIST_HEAD(cache);
static struct task_struct *retirer, *shrinker, *walker, *notifier, *manager;
static DECLARE_COMPLETION(settled);
static bool ending;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define init_page(page) zone_device_page_init(page, &pagemap, 0)
#else
#define init_page(page) zone_device_page_init(page)
#endif

static u32 below(u32 n)
{
	return get_random_u32_below(n);
}

static struct frame *frame_of(struct page *page)
{
	return &frames[page_to_pfn(page) - (pagemap.range.start >> PAGE_SHIFT)];
}

static void tell(struct page *page)
{
	pr_info("GUILTY pfn 0x%lx function %s kind %s\n", page_to_pfn(page), faults[fault].function, faults[fault].kind);
}

/* True if this fault was chosen, and happens now, on this page. */
static bool bug(int which, struct page *page)
{
	if (fault != which || ending || atomic_read(&operations) < rounds * clients / 100 * at)
		return false;
	if (times && atomic_dec_if_positive(&faults_left) < 0)
		return false;
	tell(page);
	return true;
}

static void push(struct list_head *queue, spinlock_t *lock, struct list_head *item)
{
	spin_lock_bh(lock);
	list_add_tail(item, queue);
	spin_unlock_bh(lock);
}

static struct list_head *pop(struct list_head *queue, spinlock_t *lock)
{
	struct list_head *item = NULL;

	spin_lock_bh(lock);
	if (!list_empty(queue)) {
		item = queue->next;
		list_del(item);
	}
	spin_unlock_bh(lock);
	return item;
}

static struct held *hold(struct page *page)
{
	struct held *held = kmalloc(sizeof(*held), GFP_KERNEL);

	if (held)
		held->page = page;
	return held;
}

static void nap(unsigned int ms)
{
	schedule_timeout_interruptible(msecs_to_jiffies(ms));
}

/* Free pages: a magazine for each CPU, a depot for all, and a quarantine in which every fourth page waits for a while. */

static void weir_stash(struct page *page)
{
	struct frame *frame = frame_of(page);
	struct magazine *magazine = this_cpu_ptr(&magazines);

	frame->freed = jiffies;
	if (magazine->n < MAGAZINE && page_to_pfn(page) % 4) {
		magazine->pages[magazine->n++] = page;
		return;
	}
	spin_lock(&depot_lock);
	list_add_tail(&frame->list, page_to_pfn(page) % 4 ? &depot : &quarantine);
	spin_unlock(&depot_lock);
}

static void weir_page_free(struct page *page)
{
	struct magazine *magazine;
	unsigned long flags;

	local_irq_save(flags);
	/* A page that is filed already is left alone; so it is after another fault has freed it twice. */
	if (!test_and_set_bit(FREE, &frame_of(page)->flags)) {
		weir_stash(page);
		magazine = this_cpu_ptr(&magazines);
		if (magazine->n && magazine->n < MAGAZINE && magazine->pages[magazine->n - 1] == page && bug(DBLALLOC, page))
			magazine->pages[magazine->n++] = page;
	}
	local_irq_restore(flags);
}

static struct page *weir_unstash(void)
{
	struct magazine *magazine;
	struct frame *frame, *next;
	struct page *page = NULL;
	unsigned long flags;

	local_irq_save(flags);
	magazine = this_cpu_ptr(&magazines);
	if (magazine->n) {
		page = magazine->pages[--magazine->n];
	} else {
		spin_lock(&depot_lock);
		list_for_each_entry_safe(frame, next, &quarantine, list)
			if (time_after(jiffies, frame->freed + msecs_to_jiffies(100)))
				list_move_tail(&frame->list, &depot);
		frame = list_first_entry_or_null(&depot, struct frame, list);
		if (frame) {
			list_del(&frame->list);
			page = frame->page;
		}
		spin_unlock(&depot_lock);
	}
	if (page)
		clear_bit(FREE, &frame_of(page)->flags);
	local_irq_restore(flags);
	return page;
}

static noinline struct page *weir_page_alloc(void)
{
	struct page *page = weir_unstash();

	if (!page)
		return NULL;
	if (bug(NOINIT, page))
		return page;
	init_page(page);
	unlock_page(page);
	return page;
}

/* A client's table. Only the client's own task looks at it. */

static struct slot *weir_any_slot(struct client *client, bool filled)
{
	int start = below(SLOTS), i;

	for (i = 0; i < SLOTS; i++) {
		struct slot *slot = &client->table[(start + i) % SLOTS];

		if (!slot->page != filled)
			return slot;
	}
	return NULL;
}

static void weir_fill(struct client *client)
{
	struct slot *slot;
	int n = 1 + below(4);

	while (n-- && (slot = weir_any_slot(client, false))) {
		slot->page = weir_page_alloc();
		slot->shared = false;
	}
}

static noinline void weir_slot_drop(struct slot *slot)
{
	struct page *page = slot->page;

	slot->page = NULL;
	if (!bug(SLOTLEAK, page))
		put_page(page);
}

static noinline void weir_share(struct client *client, struct client *other)
{
	int n = 1 + below(3);

	while (n--) {
		struct slot *slot = weir_any_slot(client, true);
		struct held *held = slot ? hold(slot->page) : NULL;

		if (!held)
			return;
		slot->shared = true;
		get_page(held->page);
		push(&other->inbox, &other->lock, &held->list);
	}
}

static noinline void weir_inbox_refuse(struct page *page)
{
	put_page(page);
}

static void weir_receive(struct client *client)
{
	struct list_head *item;

	while ((item = pop(&client->inbox, &client->lock))) {
		struct held *held = list_entry(item, struct held, list);
		struct slot *slot = weir_any_slot(client, false);

		if (slot)
			*slot = (struct slot){ held->page, true };
		else
			weir_inbox_refuse(held->page);
		kfree(held);
	}
}

/* The first write to a shared page gives the client one of its own. */
static noinline void weir_cow_break(struct client *client)
{
	struct slot *slot = weir_any_slot(client, true);
	struct page *old, *new;

	if (!slot || !slot->shared)
		return;
	new = weir_page_alloc();
	if (!new)
		return;
	old = slot->page;
	slot->page = new;
	slot->shared = false;
	if (bug(COWLEAK, old))
		return;
	if (page_ref_count(old) > 2 && bug(COWPUT, old))
		put_page(old);
	put_page(old);
}

/* Jobs: a timer is the device's interrupt. Now and then it does not come, and the timeout completes the job. */

static noinline void weir_job_release(struct job *job)
{
	int i;

	for (i = 0; i < job->n; i++)
		put_page(job->pages[i]);
}

/* True if a fault happens to the job, and so to all its pages. */
static bool bug_of_job(int which, struct job *job)
{
	int i;

	if (!bug(which, job->pages[0]))
		return false;
	for (i = 1; i < job->n; i++)
		tell(job->pages[i]);
	return true;
}

static void weir_fence(struct timer_list *timer)
{
	struct job *job = container_of(timer, struct job, fence);

	if (!cmpxchg(&job->done, 0, 1) && !bug_of_job(FENCELEAK, job))
		weir_job_release(job);
}

static void weir_job_timeout(struct work_struct *work)
{
	struct job *job = container_of(to_delayed_work(work), struct job, timeout);

	if (!cmpxchg(&job->done, 0, 1) || bug_of_job(DBLFENCE, job))
		weir_job_release(job);
	timer_delete_sync(&job->fence);
	kfree(job);
	atomic_dec(&jobs_out);
}

static noinline bool weir_job_pin(struct client *client, struct job *job)
{
	int n = 1 + below(JOB_PAGES);
	int invalid = below(6) ? -1 : below(n);

	for (job->n = 0; job->n < n; job->n++) {
		struct slot *slot = weir_any_slot(client, true);

		if (!slot || job->n == invalid)
			return false;
		job->pages[job->n] = slot->page;
		get_page(slot->page);
	}
	return true;
}

static noinline void weir_job_unwind(struct job *job)
{
	while (job->n) {
		struct page *page = job->pages[--job->n];

		if (!job->n && bug(ERRLEAK, page))
			return;
		if (page_ref_count(page) > 2 && bug(UNWINDPUT, page))
			put_page(page);
		put_page(page);
	}
}

static void weir_submit(struct client *client)
{
	struct job *job = kzalloc(sizeof(*job), GFP_KERNEL);

	if (!job)
		return;
	timer_setup(&job->fence, weir_fence, 0);
	INIT_DELAYED_WORK(&job->timeout, weir_job_timeout);
	if (!weir_job_pin(client, job)) {
		weir_job_unwind(job);
		kfree(job);
		return;
	}
	atomic_inc(&jobs_out);
	if (below(8))
		mod_timer(&job->fence, jiffies + 1 + below(msecs_to_jiffies(24)));
	queue_delayed_work(queue, &job->timeout, msecs_to_jiffies(60));
}

/* Scatter lists: taken in one go, given back one by one by another task. A page may stand in a list twice. */

static noinline void weir_sg_build(struct client *client)
{
	struct sg *sg = kzalloc(sizeof(*sg), GFP_KERNEL);
	int n = 2 + below(SG_PAGES - 1);

	if (!sg)
		return;
	for (; sg->n < n; sg->n++) {
		struct slot *slot = weir_any_slot(client, true);

		if (!slot)
			break;
		sg->pages[sg->n] = slot->page;
		get_page(slot->page);
	}
	atomic_inc(&sgs_out);
	push(&sg_queue, &sg_lock, &sg->list);
	wake_up_process(retirer);
}

static noinline void weir_sg_retire(struct sg *sg)
{
	int i;

	for (i = 0; i < sg->n; i++) {
		if (i && i == sg->n - 1 && bug(SGLEAK, sg->pages[i]))
			continue;
		put_page(sg->pages[i]);
		if (!below(3))
			usleep_range(50, 400);
	}
	kfree(sg);
	atomic_dec(&sgs_out);
}

static int weir_retirer(void *unused)
{
	while (!kthread_should_stop()) {
		struct list_head *item = pop(&sg_queue, &sg_lock);

		if (item)
			weir_sg_retire(list_entry(item, struct sg, list));
		else
			nap(10);
	}
	return 0;
}

/* Mappings: work unmaps each after a while; the notifier drops all of them at once. Whoever empties the entry puts. */

static struct page *weir_map_take(struct mapping *mapping)
{
	struct page *page;

	spin_lock_bh(&map_lock);
	page = mapping->page;
	mapping->page = NULL;
	spin_unlock_bh(&map_lock);
	if (page)
		clear_bit(MAPPED, &frame_of(page)->flags);
	return page;
}

static noinline void weir_unmap_work(struct work_struct *work)
{
	struct mapping *mapping = container_of(to_delayed_work(work), struct mapping, unmap);
	struct page *page = weir_map_take(mapping);

	if (!page)
		return;
	put_page(page);
	if (page_ref_count(page) > 1 && bug(NOTIFPUT, page))
		mapping->page = page;
}

static noinline void weir_invalidate_all(void)
{
	int i;

	for (i = 0; i < MAPPINGS; i++) {
		struct page *page = weir_map_take(&mappings[i]);

		if (page && !bug(NOTIFLEAK, page))
			put_page(page);
	}
}

static struct page *weir_stale_page(void)
{
	struct frame *frame;
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&depot_lock, flags);
	frame = list_first_entry_or_null(&quarantine, struct frame, list);
	page = frame && !page_ref_count(frame->page) ? frame->page : NULL;
	spin_unlock_irqrestore(&depot_lock, flags);
	return page;
}

static noinline void weir_map_insert(struct client *client)
{
	struct slot *slot = weir_any_slot(client, true);
	struct mapping *mapping = &mappings[below(MAPPINGS)];
	struct page *page = slot ? slot->page : NULL, *stale;

	if (!page)
		return;
	spin_lock_bh(&map_lock);
	if (!mapping->page) {
		stale = weir_stale_page();
		if (stale && bug(GETFREE, stale))
			page = stale;
		get_page(page);
		set_bit(MAPPED, &frame_of(page)->flags);
		mapping->page = page;
		mod_delayed_work(queue, &mapping->unmap, msecs_to_jiffies(20 + below(120)));
	}
	spin_unlock_bh(&map_lock);
}

static int weir_notifier(void *unused)
{
	while (!kthread_should_stop()) {
		weir_invalidate_all();
		nap(60 + below(200));
	}
	return 0;
}

/* Exclusive use: with retries and growing pauses while another user has the page. */

static noinline struct page *weir_grab(struct slot *slot)
{
	int try;

	for (try = 0; try < 5; try++) {
		struct page *page = slot->page;

		get_page(page);
		if (!test_and_set_bit(BUSY, &frame_of(page)->flags))
			return page;
		if (try && bug(BACKOFFLEAK, page))
			return NULL;
		put_page(page);
		usleep_range(200 << try, 400 << try);
	}
	return NULL;
}

static noinline void weir_ungrab(struct page *page)
{
	clear_bit(BUSY, &frame_of(page)->flags);
	put_page(page);
}

static void weir_use(struct client *client)
{
	struct slot *slot = weir_any_slot(client, true);
	struct page *page;
	int i;

	for (i = 0; slot && !slot->shared && i < 8; i++)
		slot = weir_any_slot(client, true);
	page = slot ? weir_grab(slot) : NULL;
	if (!page)
		return;
	usleep_range(1000, 15000);
	weir_ungrab(page);
}

/* The cache: the oldest go when there are too many, or when a client finds no free page. */

static noinline void weir_cache_add(struct client *client)
{
	struct slot *slot = weir_any_slot(client, true);
	struct held *held = slot ? hold(slot->page) : NULL;

	if (!held)
		return;
	get_page(held->page);
	push(&cache, &cache_lock, &held->list);
	atomic_inc(&cache_size);
}

static noinline bool weir_shrink_one(void)
{
	struct list_head *item = pop(&cache, &cache_lock);
	struct held *held = list_entry(item, struct held, list);
	struct page *page;
	int n = 1;

	if (!item)
		return false;
	atomic_dec(&cache_size);
	page = held->page;
	kfree(held);
	if (bug(CACHELEAK, page))
		n = 0;
	else if (page_ref_count(page) > 1 && bug(SHRINKPUT, page))
		n = 2;
	while (n--)
		put_page(page);
	return true;
}

static int weir_shrinker(void *unused)
{
	while (!kthread_should_stop()) {
		int surplus = atomic_read(&cache_size) - 24;

		while (surplus-- > 0 && weir_shrink_one())
			cond_resched();
		nap(20);
	}
	return 0;
}

/* The walker: looks at every page, and isolates some of those that are mapped until it has looked at a batch. */

static noinline struct page *weir_walk_one(struct page *page)
{
	if (!get_page_unless_zero(page))
		return bug(PUTFREE, page) ? page : NULL;
	if (test_bit(BUSY, &frame_of(page)->flags) && bug(WALKLEAK, page))
		return NULL;
	if (test_bit(MAPPED, &frame_of(page)->flags) && !below(3))
		return page;
	put_page(page);
	return NULL;
}

static noinline void weir_putback(struct page **isolated, int n)
{
	while (n--)
		if (!bug(PUTBACKLEAK, isolated[n]))
			put_page(isolated[n]);
}

static int weir_walker(void *unused)
{
	struct page *isolated[WALK_BATCH];
	int pos = 0;

	while (!kthread_should_stop()) {
		int i, n = 0;

		for (i = 0; i < WALK_BATCH; i++, pos = (pos + 1) % pages) {
			isolated[n] = weir_walk_one(frames[pos].page);
			if (isolated[n])
				n++;
		}
		usleep_range(300, 3000);
		weir_putback(isolated, n);
		nap(30);
	}
	return 0;
}

/* Pins for long: the first client takes a few as it begins, and gives them back as it leaves. */

static noinline void weir_pin_long(struct client *client)
{
	int i;

	for (i = 0; i < PINS; i++) {
		struct slot *slot = weir_any_slot(client, true);

		if (!slot)
			return;
		get_page(slot->page);
		client->pins[i] = slot->page;
	}
}

static noinline void weir_unpin_long(struct client *client)
{
	int i;

	for (i = 0; i < PINS; i++) {
		struct page *page = client->pins[i];

		client->pins[i] = NULL;
		if (page && fault == PINLEFT && i == 3)
			tell(page);
		else if (page)
			put_page(page);
	}
}

static void weir_operate(struct client *client)
{
	u32 dice = below(16);
	struct slot *slot;

	if (dice < 3)
		weir_fill(client);
	else if (dice < 5 && (slot = weir_any_slot(client, true)))
		weir_slot_drop(slot);
	else if (dice == 5)
		weir_share(client, &all_clients[(client->id + 1 + below(clients)) % clients]);
	else if (dice == 6)
		weir_cow_break(client);
	else if (dice < 10)
		weir_submit(client);
	else if (dice == 10)
		weir_sg_build(client);
	else if (dice < 13)
		weir_map_insert(client);
	else if (dice < 15)
		weir_use(client);
	else
		weir_cache_add(client);
}

static int weir_client(void *data)
{
	struct client *client = data;
	int i;

	for (i = 0; i < 8; i++)
		weir_fill(client);
	if (!client->id)
		weir_pin_long(client);
	for (i = 0; i < rounds && !kthread_should_stop(); i++) {
		weir_receive(client);
		weir_operate(client);
		atomic_inc(&operations);
		if (!client->id && i == rounds / 2)
			pr_info("HALF\n");
		usleep_range(pause_us / 8, pause_us);
	}
	complete(&client->done);
	while (!kthread_should_stop())
		nap(100);
	return 0;
}

/* Gives back all that is kept. The tables are nobody else's by now: the clients do nothing more. */
static void weir_drain(void)
{
	int c, i;

	for (c = 0; c < clients; c++) {
		struct client *client = &all_clients[c];

		weir_receive(client);
		for (i = 0; i < SLOTS; i++)
			if (client->table[i].page)
				weir_slot_drop(&client->table[i]);
		weir_unpin_long(client);
	}
	weir_invalidate_all();
	while (weir_shrink_one())
		cond_resched();
}

static int weir_manager(void *unused)
{
	int c;

	for (c = 0; c < clients; c++)
		while (!wait_for_completion_timeout(&all_clients[c].done, HZ / 10))
			if (kthread_should_stop())
				return 0;
	pr_info("QUIET\n");
	if (drain)
		weir_drain();
	while (atomic_read(&jobs_out) || atomic_read(&sgs_out))
		msleep(10);
	msleep(200);
	pr_info("SETTLED\n");
	complete(&settled);
	while (!kthread_should_stop())
		nap(100);
	return 0;
}

static vm_fault_t weir_migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
static void weir_folio_free(struct folio *folio)
{
	weir_page_free(folio_page(folio, 0));
}
#endif

static const struct dev_pagemap_ops pagemap_ops = {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	.folio_free = weir_folio_free,
#else
	.page_free = weir_page_free,
#endif
	.migrate_to_ram = weir_migrate_to_ram,
};

static int weir_start_pages(void)
{
	struct resource *resource = request_free_mem_region(&iomem_resource, MAX_PAGES << PAGE_SHIFT, "weir");
	void *ret;
	int i;

	if (IS_ERR(resource))
		return PTR_ERR(resource);
	pagemap.type = MEMORY_DEVICE_PRIVATE;
	pagemap.range.start = resource->start;
	pagemap.range.end = resource->end;
	pagemap.nr_range = 1;
	pagemap.ops = &pagemap_ops;
	pagemap.owner = &pagemap;
	ret = memremap_pages(&pagemap, numa_mem_id());
	if (IS_ERR(ret)) {
		release_mem_region(pagemap.range.start, range_len(&pagemap.range));
		return PTR_ERR(ret);
	}
	for (i = 0; i < pages; i++) {
		frames[i].page = pfn_to_page((pagemap.range.start >> PAGE_SHIFT) + i);
		frames[i].flags = BIT(FREE);
		list_add_tail(&frames[i].list, &depot);
	}
	return 0;
}

static int __init weir_init(void)
{
	int ret, i;

	for (i = 0; i < FAULTS; i++)
		if (!strcmp(mode, faults[i].mode))
			fault = i;
	if (fault == FAULTS && strcmp(mode, "none"))
		return -EINVAL;
	clients = clamp(clients, 1, CLIENTS);
	pages = clamp(pages, WALK_BATCH, MAX_PAGES);
	atomic_set(&faults_left, times);
	ret = weir_start_pages();
	if (ret)
		return ret;
	pr_info("range pfn %#llx %#llx mode %s\n", pagemap.range.start >> PAGE_SHIFT,
		(pagemap.range.start >> PAGE_SHIFT) + pages, mode);
	if (!rounds)
		return 0;
	queue = alloc_workqueue("weir", WQ_UNBOUND, 0);
	for (i = 0; i < MAPPINGS; i++)
		INIT_DELAYED_WORK(&mappings[i].unmap, weir_unmap_work);
	for (i = 0; i < clients; i++) {
		struct client *client = &all_clients[i];

		client->id = i;
		spin_lock_init(&client->lock);
		INIT_LIST_HEAD(&client->inbox);
		init_completion(&client->done);
	}
	retirer = kthread_run(weir_retirer, NULL, "weir-retire");
	shrinker = kthread_run(weir_shrinker, NULL, "weir-shrink");
	walker = kthread_run(weir_walker, NULL, "weir-walk");
	notifier = kthread_run(weir_notifier, NULL, "weir-notify");
	for (i = 0; i < clients; i++)
		all_clients[i].task = kthread_run(weir_client, &all_clients[i], "weir-client%d", i);
	manager = kthread_run(weir_manager, NULL, "weir-manage");
	if (wait)
		wait_for_completion(&settled);
	return 0;
}

static void weir_stop(void)
{
	int i;

	for (i = 0; i < clients; i++)
		kthread_stop(all_clients[i].task);
	kthread_stop(manager);
	kthread_stop(notifier);
	kthread_stop(walker);
	while (atomic_read(&jobs_out) || atomic_read(&sgs_out))
		msleep(10);
	ending = true;
	weir_drain();
	kthread_stop(shrinker);
	kthread_stop(retirer);
	for (i = 0; i < MAPPINGS; i++)
		cancel_delayed_work_sync(&mappings[i].unmap);
	destroy_workqueue(queue);
}

static void __exit weir_exit(void)
{
	if (rounds)
		weir_stop();
	memunmap_pages(&pagemap);
	release_mem_region(pagemap.range.start, range_len(&pagemap.range));
	pr_info("gone\n");
}

module_init(weir_init);
module_exit(weir_exit);
MODULE_DESCRIPTION("Device-private pages with faults to choose from");
MODULE_LICENSE("GPL");
