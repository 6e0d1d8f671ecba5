// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver of device memory with faults to choose from, shaped like one for an accelerator that shares its memory with processes.
 * Free pages are in a cache of each CPU, refilled and flushed in bulk. References are of these kinds:
 *   a buffer object (b)    has one of each of its pages and is itself counted with a kref; a hash table looked up under RCU knows
 *                          it, and an evictor closes the oldest
 *                              sl_bo_fill                  sl_bo_release
 *                              sl_bo_export                sl_bo_export
 *   a command (c)          is completed by an irq_work, or aborted by its client when it takes too long
 *                              sl_cmd_prep                 sl_cmd_complete, sl_cmd_abort, sl_cmd_unwind
 *   a translation (t)      has the reference that is handed over to it; an RCU callback puts it
 *                              sl_tt_map, sl_send          sl_tt_map, sl_sink (replaced), sl_tt_free
 *                              sl_tt_lookup                sl_tt_lookup (refused), sl_tt_use
 *   a timer wheel (w)          sl_wheel_add                sl_wheel_expire, sl_wheel_cancel
 *   fragments (f)          are cut from a page that got all references in one go; the rest is given back in one go
 *                              sl_frag_refill              sl_frag_free, sl_frag_retire
 *   pins (p)               count 1024 each
 *                              sl_pin                      sl_unpin
 *   address spaces (m)     are forked, break copy on write, and end in a batch by another thread
 *                              sl_mm_fault, sl_mm_write    sl_mm_write, sl_mm_unmap
 *                              sl_mm_fork                  sl_mm_exit
 *   a migrator (g)         looks at any page, and moves those of address spaces: it freezes their counts
 *                              sl_isolate                  sl_putback
 *                              sl_migrate (new)            sl_migrate (unfreezes the old one's count without that of the table)
 *   messages (s)           go through a kfifo to another thread, which puts or hands over
 *                              sl_send                     sl_send (full), sl_sink
 *   a reserve (r)          a mempool of pages that stay handed out
 *                              sl_reserve_new              sl_reserve_free
 *                              sl_reserve_use              sl_reserve_use
 * A fault is told in the kernel's log as GUILTY, with the page, the functions that are right to name, and the kind of finding.
 */
#define pr_fmt(fmt) "sluice: " fmt
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/memremap.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/version.h>

#define MAX_PAGES 512
#define CLIENTS 8
#define PCP_HIGH 12
#define PCP_BATCH 6
#define BO_PAGES 6
#define HANDLES 48
#define BUCKETS 16
#define CMD_PAGES 5
#define INFLIGHT 6
#define KEYS 64
#define WHEEL 16
#define FRAG_BIAS 64
#define FRAGS 12
#define PTES 12
#define SCAN 16
#define RESERVE 6

static char *mode = "none";
module_param(mode, charp, 0444); /* the fault, or none */
static int rounds;
module_param(rounds, int, 0444); /* operations of each client; 0: the driver only tells where its pages are */
static char *parts = "bctwfpmgsr";
module_param(parts, charp, 0444); /* which kinds of references are in use; buffer objects always are */
static char *type = "private";
module_param(type, charp, 0444); /* private, coherent, or generic (before 6.14: later kernels do not tell when a page is free) */
static int clients = 4;
module_param(clients, int, 0444);
static int pages = 256;
module_param(pages, int, 0444);
static int at = 40;
module_param(at, int, 0444); /* when the fault may happen first, in percent of the rounds */
static int times = 1;
module_param(times, int, 0444); /* how often it happens; 0: whenever it can */
static int chance = 1;
module_param(chance, int, 0444); /* it happens once in so many times that it can */
static bool drain;
module_param(drain, bool, 0444); /* all that is kept is given back before SETTLED is said */
static bool wait;
module_param(wait, bool, 0444); /* loading ends when SETTLED has been said */
static int pause_us = 1500;
module_param(pause_us, int, 0444); /* the longest pause between two operations of a client */

enum {
	BOLEAK, EXPORTPUT, IRQLEAK, UNWINDLEAK, UNWINDPUT, ABORTPUT, TTLEAK, LOOKUPLEAK, TTPUT, TTGET, WHEELLEAK, WHEELPUT,
	FRAGLEAK, FRAGDROP, FRAGPUT, FRAGLATE, PINLEAK, PINWRONG, PINPUT, FORKLEAK, FORKPUT, FORKGET, ISOLEAK, ISOPUT, SCANPUT,
	FREEZELEAK, FIFOLEAK, SINKPUT, RESERVELEAK, RESERVEPUT, BONOINIT, FRAGNOINIT, MMNOINIT, FAULTS,
};
static const struct {
	const char *mode, *kind, *function;
} faults[] = {
	[BOLEAK] = { "boleak", "leak", "sl_bo_fill" },		/* a user of an object keeps its kref */
	[EXPORTPUT] = { "exportput", "surplus-put", "sl_bo_export" }, /* the error path puts twice */
	[IRQLEAK] = { "irqleak", "leak", "sl_cmd_prep" },	/* the interrupt completes a command and puts nothing */
	[UNWINDLEAK] = { "unwindleak", "leak", "sl_cmd_prep" },	/* the error path forgets the page it took last */
	[UNWINDPUT] = { "unwindput", "surplus-put", "sl_cmd_unwind" }, /* or puts one that it did not take */
	[ABORTPUT] = { "abortput", "surplus-put", "sl_cmd_abort" }, /* a command is aborted that is complete */
	[TTLEAK] = { "ttleak", "leak", "sl_tt_map sl_send" },	/* a translation is freed without a put */
	[LOOKUPLEAK] = { "lookupleak", "leak", "sl_tt_lookup" }, /* a lookup that is refused keeps its reference */
	[TTPUT] = { "ttput", "surplus-put", "sl_tt_map" },	/* the page that was replaced is put twice */
	[TTGET] = { "ttget", "get-on-free-page", "sl_tt_lookup" }, /* a lookup gets a page that has been freed */
	[WHEELLEAK] = { "wheelleak", "leak", "sl_wheel_add" },	/* what is cancelled is not put */
	[WHEELPUT] = { "wheelput", "surplus-put", "sl_wheel_expire" }, /* what expires is put twice */
	[FRAGLEAK] = { "fragleak", "leak", "sl_frag_refill" },	/* one too few is given back with the rest */
	[FRAGDROP] = { "fragdrop", "leak", "sl_frag_refill" },	/* a fragment is dropped */
	[FRAGPUT] = { "fragput", "surplus-put", "sl_frag_retire" }, /* one too many is given back with the rest */
	[FRAGLATE] = { "fraglate", "put-on-free-page", "sl_frag_free" }, /* a fragment is freed again after its page */
	[PINLEAK] = { "pinleak", "leak", "sl_pin" },		/* the last page of an object is not unpinned */
	[PINWRONG] = { "pinwrong", "leak", "sl_pin" },		/* a pin is put as if it were one reference */
	[PINPUT] = { "pinput", "surplus-put", "sl_unpin" },	/* a reference is put as if it were a pin */
	[FORKLEAK] = { "forkleak", "leak", "sl_mm_fork" },	/* the end of an address space forgets its last page */
	[FORKPUT] = { "forkput", "surplus-put", "sl_mm_exit" },	/* or puts it twice */
	[FORKGET] = { "forkget", "get-on-free-page", "sl_mm_fork" }, /* a fork copies an entry whose page was freed */
	[ISOLEAK] = { "isoleak", "leak", "sl_isolate" },	/* a migration that fails keeps its reference */
	[ISOPUT] = { "isoput", "surplus-put", "sl_putback" },	/* or puts it twice */
	[SCANPUT] = { "scanput", "put-on-free-page", "sl_putback" }, /* the migrator puts a page that it could not get */
	[FREEZELEAK] = { "freezeleak", "leak", "sl_mm_fault sl_mm_write sl_migrate" }, /* a count is unfrozen that is one too high */
	[FIFOLEAK] = { "fifoleak", "leak", "sl_send" },		/* a message that finds no room keeps its reference */
	[SINKPUT] = { "sinkput", "surplus-put", "sl_sink" },	/* the receiver puts what it has handed over */
	[RESERVELEAK] = { "reserveleak", "leak", "sl_reserve_new" }, /* a page does not come back to the reserve */
	[RESERVEPUT] = { "reserveput", "surplus-put", "sl_reserve_use" }, /* or comes back and is put */
	[BONOINIT] = { "bonoinit", "no-initialisation", "sl_bo_fill" },
	[FRAGNOINIT] = { "fragnoinit", "no-initialisation", "sl_frag_refill" },
	[MMNOINIT] = { "mmnoinit", "no-initialisation", "sl_mm_fault" },
};
static int fault = FAULTS;
static atomic_t operations, faults_left;

#define FREE 0

/* One for each page. A page is on a list only while it is in the depot. */
struct cell {
	struct page *page;
	struct list_head list;
	unsigned long flags;
};

struct pcp {
	int n;
	struct cell *cells[PCP_HIGH];
};

struct bo {
	struct kref kref;
	struct rcu_head rcu;
	struct hlist_node hash;
	struct list_head lru;
	u32 handle;
	int n;
	struct page *pages[BO_PAGES];
};

enum { PENDING, DONE, ABORTED };

struct cmd {
	struct llist_node node;
	refcount_t refs;
	int state;
	unsigned long since;
	unsigned int delay;
	int n;
	struct page *pages[CMD_PAGES];
};

struct translation {
	struct hlist_node hash;
	struct rcu_head rcu;
	u32 key;
	bool readonly;
	struct page *page;
};

struct tick {
	struct list_head list;
	struct page *page;
};

struct message {
	struct page *page;
	bool frag;
};

struct space {
	struct llist_node node;
	struct mutex lock;
	struct page *ptes[PTES];
};

struct client {
	int id;
	struct task_struct *task;
	struct cmd *inflight[INFLIGHT];
	struct page *frag;
	int bias;
	struct page *pinned[BO_PAGES];
	int pins, unpin_at, round;
	struct space space;
	struct completion done;
};

static struct dev_pagemap pagemap;
static struct cell cells[MAX_PAGES];
static DEFINE_PER_CPU(struct pcp, pcps);
static DEFINE_SPINLOCK(depot_lock);
static LIST_HEAD(depot);
static DEFINE_SPINLOCK(bo_lock);
static struct hlist_head bos[BUCKETS];
static LIST_HEAD(bo_lru);
static atomic_t bo_count, cmds_out, messages_out, spaces_out, ticks_out;
static LLIST_HEAD(submitted);
static LLIST_HEAD(done);
static struct irq_work irq;
static DEFINE_SPINLOCK(tt_lock);
static struct hlist_head tt[BUCKETS];
static DEFINE_SPINLOCK(wheel_lock);
static struct list_head wheel[WHEEL];
static int wheel_now;
static struct timer_list wheel_timer;
static DEFINE_KFIFO(fifo, struct message, 32);
static DEFINE_SPINLOCK(fifo_lock);
static LLIST_HEAD(exiting);
static mempool_t *reserve;
static struct client all_clients[CLIENTS];
static struct task_struct *device, *sink, *reaper, *migrator, *manager;
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

static void nap(unsigned int ms)
{
	schedule_timeout_interruptible(msecs_to_jiffies(ms));
}

static struct cell *cell_of(struct page *page)
{
	return &cells[page_to_pfn(page) - (pagemap.range.start >> PAGE_SHIFT)];
}

static bool generic(void)
{
	return pagemap.type == MEMORY_DEVICE_GENERIC;
}

static void tell(struct page *page)
{
	pr_info("GUILTY pfn 0x%lx function %s kind %s\n", page_to_pfn(page), faults[fault].function, faults[fault].kind);
}

/* True if this fault was chosen, and happens now, on this page. */
static bool bug(int which, struct page *page)
{
	if (fault != which || ending || atomic_read(&operations) < rounds * clients / 100 * at || below(chance))
		return false;
	if (times && atomic_dec_if_positive(&faults_left) < 0)
		return false;
	tell(page);
	return true;
}

/* The same, where the page must have another reference than the one that is rightly put. */
static bool surplus(int which, struct page *page)
{
	return page_ref_count(page) > 1 && bug(which, page);
}

/* Free pages: a cache of each CPU, and a depot for all. */

static void sl_page_free(struct page *page)
{
	struct pcp *pcp;
	unsigned long flags;
	int i;

	local_irq_save(flags);
	/* A page that is filed already is left alone; so it is after a fault has freed it twice. */
	if (!test_and_set_bit(FREE, &cell_of(page)->flags)) {
		pcp = this_cpu_ptr(&pcps);
		if (pcp->n == PCP_HIGH) {
			spin_lock(&depot_lock);
			for (i = 0; i < PCP_BATCH; i++)
				list_add_tail(&pcp->cells[i]->list, &depot);
			spin_unlock(&depot_lock);
			pcp->n -= PCP_BATCH;
			memmove(pcp->cells, pcp->cells + PCP_BATCH, pcp->n * sizeof(*pcp->cells));
		}
		pcp->cells[pcp->n++] = cell_of(page);
	}
	local_irq_restore(flags);
}

static void sl_pcp_refill(struct pcp *pcp)
{
	spin_lock(&depot_lock);
	while (pcp->n < PCP_BATCH && !list_empty(&depot)) {
		struct cell *cell = list_first_entry(&depot, struct cell, list);

		list_del(&cell->list);
		pcp->cells[pcp->n++] = cell;
	}
	spin_unlock(&depot_lock);
}

static int sl_take(struct page **taken, int n)
{
	struct pcp *pcp;
	unsigned long flags;
	int i = 0;

	local_irq_save(flags);
	pcp = this_cpu_ptr(&pcps);
	while (i < n) {
		if (!pcp->n)
			sl_pcp_refill(pcp);
		if (!pcp->n)
			break;
		taken[i++] = pcp->cells[--pcp->n]->page;
		clear_bit(FREE, &cell_of(taken[i - 1])->flags);
	}
	local_irq_restore(flags);
	/* The kernel gives a generic page its count again after it has told the driver that the page is free. */
	for (n = 0; generic() && n < i; n++)
		while (!page_ref_count(taken[n]))
			cpu_relax();
	return i;
}

/* A generic page has its first reference while it is free. */
static __always_inline void sl_init(struct page *page)
{
	if (!generic()) {
		init_page(page);
		unlock_page(page);
	}
}

/* A page that is free and will be for a while, if the fault happens. */
static struct page *sl_stale(int which)
{
	struct cell *cell;
	struct page *page = NULL;
	unsigned long flags;

	if (fault != which)
		return NULL;
	spin_lock_irqsave(&depot_lock, flags);
	if (!list_empty(&depot)) {
		cell = list_last_entry(&depot, struct cell, list);
		if (!page_ref_count(cell->page) && bug(which, cell->page))
			page = cell->page;
	}
	spin_unlock_irqrestore(&depot_lock, flags);
	return page;
}

/* Buffer objects. */

static noinline bool sl_bo_fill(struct bo *bo, int n)
{
	int i;

	bo->n = sl_take(bo->pages, n);
	for (i = 0; i < bo->n; i++)
		if (!bug(BONOINIT, bo->pages[i]))
			sl_init(bo->pages[i]);
	return bo->n == n;
}

static noinline void sl_bo_release(struct kref *kref)
{
	struct bo *bo = container_of(kref, struct bo, kref);
	int i;

	for (i = 0; i < bo->n; i++)
		put_page(bo->pages[i]);
	kfree_rcu(bo, rcu);
}

static void sl_bo_unref(struct bo *bo)
{
	kref_put(&bo->kref, sl_bo_release);
}

static struct bo *sl_bo_find(u32 handle)
{
	struct bo *bo;

	hlist_for_each_entry_rcu(bo, &bos[handle % BUCKETS], hash, lockdep_is_held(&bo_lock))
		if (bo->handle == handle)
			return bo;
	return NULL;
}

static struct bo *sl_bo_lookup(void)
{
	u32 start = below(HANDLES), i;
	struct bo *bo = NULL;

	rcu_read_lock();
	for (i = 0; i < 8 && !bo; i++) {
		bo = sl_bo_find((start + i) % HANDLES);
		if (bo && !kref_get_unless_zero(&bo->kref))
			bo = NULL;
	}
	rcu_read_unlock();
	return bo;
}

static void sl_bo_close_rcu(struct rcu_head *rcu)
{
	sl_bo_unref(container_of(rcu, struct bo, rcu));
}

static bool sl_bo_close(struct bo *bo)
{
	bool closed = false;

	spin_lock_bh(&bo_lock);
	if (!bo && !list_empty(&bo_lru))
		bo = list_first_entry(&bo_lru, struct bo, lru);
	if (bo && !list_empty(&bo->lru)) {
		hlist_del_rcu(&bo->hash);
		list_del_init(&bo->lru);
		closed = true;
	}
	spin_unlock_bh(&bo_lock);
	if (closed) {
		atomic_dec(&bo_count);
		call_rcu(&bo->rcu, sl_bo_close_rcu);
	}
	return closed;
}

static void sl_bo_create(struct client *client)
{
	struct bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	bool known;

	if (!bo)
		return;
	kref_init(&bo->kref);
	bo->handle = below(HANDLES);
	if (!sl_bo_fill(bo, 1 + below(BO_PAGES))) {
		sl_bo_unref(bo);
		sl_bo_close(NULL);
		return;
	}
	spin_lock_bh(&bo_lock);
	known = sl_bo_find(bo->handle);
	if (!known) {
		hlist_add_head_rcu(&bo->hash, &bos[bo->handle % BUCKETS]);
		list_add_tail(&bo->lru, &bo_lru);
	}
	spin_unlock_bh(&bo_lock);
	if (known)
		sl_bo_unref(bo);
	else if (atomic_inc_return(&bo_count) > HANDLES * 2 / 3)
		sl_bo_close(NULL);
}

static void sl_bo_destroy(struct client *client)
{
	struct bo *bo = sl_bo_lookup();
	int i;

	if (!bo)
		return;
	sl_bo_close(bo);
	/* Who looked an object up has a count of it; this is where one may forget that. */
	if (bug(BOLEAK, bo->pages[0])) {
		for (i = 1; i < bo->n; i++)
			tell(bo->pages[i]);
		return;
	}
	sl_bo_unref(bo);
}

static noinline void sl_bo_export(struct client *client)
{
	struct bo *bo = sl_bo_lookup();
	struct page *page;

	if (!bo)
		return;
	page = bo->pages[below(bo->n)];
	get_page(page);
	usleep_range(20, 200);
	if (!below(3) && surplus(EXPORTPUT, page))
		put_page(page);
	put_page(page);
	sl_bo_unref(bo);
}

/* A page of some object, with its object, whose reference keeps it. */
static struct bo *sl_any_page(struct page **page)
{
	struct bo *bo = sl_bo_lookup();

	if (bo)
		*page = bo->pages[below(bo->n)];
	return bo;
}

/* Commands. */

static bool bug_of_cmd(int which, struct cmd *cmd)
{
	int i;

	if (!bug(which, cmd->pages[0]))
		return false;
	for (i = 1; i < cmd->n; i++)
		tell(cmd->pages[i]);
	return true;
}

static void sl_cmd_drop(struct cmd *cmd)
{
	if (refcount_dec_and_test(&cmd->refs)) {
		kfree(cmd);
		atomic_dec(&cmds_out);
	}
}

static noinline void sl_cmd_complete(struct cmd *cmd)
{
	int i;

	for (i = 0; i < cmd->n; i++)
		put_page(cmd->pages[i]);
}

static void sl_irq(struct irq_work *work)
{
	struct cmd *cmd, *next;

	llist_for_each_entry_safe(cmd, next, llist_del_all(&done), node) {
		if (cmpxchg(&cmd->state, PENDING, DONE) == PENDING && !bug_of_cmd(IRQLEAK, cmd))
			sl_cmd_complete(cmd);
		sl_cmd_drop(cmd);
	}
}

static int sl_device(void *unused)
{
	struct llist_node *list;
	struct cmd *cmd, *next;

	while (!kthread_should_stop()) {
		list = llist_reverse_order(llist_del_all(&submitted));
		llist_for_each_entry_safe(cmd, next, list, node) {
			if (time_before(jiffies, cmd->since + msecs_to_jiffies(cmd->delay))) {
				llist_add(&cmd->node, &submitted);
				continue;
			}
			llist_add(&cmd->node, &done);
			if (below(3))
				irq_work_queue(&irq);
		}
		irq_work_queue(&irq);
		usleep_range(500, 4000);
	}
	return 0;
}

static noinline bool sl_cmd_prep(struct cmd *cmd)
{
	struct bo *bo = sl_bo_lookup();
	int n = 1 + below(CMD_PAGES), refused = below(5) ? -1 : below(n);

	for (cmd->n = 0; bo && cmd->n < n && cmd->n != refused; cmd->n++) {
		cmd->pages[cmd->n] = bo->pages[cmd->n % bo->n];
		get_page(cmd->pages[cmd->n]);
	}
	if (bo)
		sl_bo_unref(bo);
	return cmd->n == n;
}

static noinline void sl_cmd_unwind(struct cmd *cmd)
{
	int i = cmd->n;

	if (i && bug(UNWINDLEAK, cmd->pages[i - 1]))
		i--;
	else if (i && surplus(UNWINDPUT, cmd->pages[i - 1]))
		put_page(cmd->pages[i - 1]);
	while (i--)
		put_page(cmd->pages[i]);
}

/* The last page first, as sl_cmd_unwind does: of two functions with the same body, the compiler would keep one. */
static noinline void sl_cmd_abort(struct cmd *cmd)
{
	int i = cmd->n;

	while (i--)
		put_page(cmd->pages[i]);
}

static void sl_reap(struct client *client)
{
	int i;

	for (i = 0; i < INFLIGHT; i++) {
		struct cmd *cmd = client->inflight[i];

		if (!cmd)
			continue;
		if (READ_ONCE(cmd->state) == PENDING) {
			if (time_before(jiffies, cmd->since + msecs_to_jiffies(50)))
				continue;
			if (cmpxchg(&cmd->state, PENDING, ABORTED) == PENDING)
				sl_cmd_abort(cmd);
		} else if (page_ref_count(cmd->pages[0]) && bug_of_cmd(ABORTPUT, cmd)) {
			sl_cmd_abort(cmd);
		}
		client->inflight[i] = NULL;
		sl_cmd_drop(cmd);
	}
}

static void sl_submit(struct client *client)
{
	struct cmd *cmd;
	int i;

	sl_reap(client);
	for (i = 0; i < INFLIGHT && client->inflight[i]; i++)
		;
	cmd = i < INFLIGHT ? kzalloc(sizeof(*cmd), GFP_KERNEL) : NULL;
	if (!cmd)
		return;
	if (!sl_cmd_prep(cmd)) {
		sl_cmd_unwind(cmd);
		kfree(cmd);
		return;
	}
	refcount_set(&cmd->refs, 2);
	cmd->since = jiffies;
	cmd->delay = below(10) ? below(10) : 90;
	client->inflight[i] = cmd;
	atomic_inc(&cmds_out);
	llist_add(&cmd->node, &submitted);
}

/* Translations. */

static struct translation *sl_tt_find(u32 key)
{
	struct translation *entry;

	hlist_for_each_entry_rcu(entry, &tt[key % BUCKETS], hash, lockdep_is_held(&tt_lock))
		if (entry->key == key)
			return entry;
	return NULL;
}

/* Takes over the caller's reference, and hands out the one that it had before, or the same one if there is no memory. */
static struct page *sl_tt_insert(struct page *page)
{
	struct translation *new = kzalloc(sizeof(*new), GFP_KERNEL), *entry;
	u32 key = below(KEYS);

	if (!new)
		return page;
	new->key = key;
	new->readonly = !below(4);
	new->page = page;
	spin_lock_bh(&tt_lock);
	entry = sl_tt_find(key);
	if (entry) {
		page = xchg(&entry->page, page);
	} else {
		hlist_add_head_rcu(&new->hash, &tt[key % BUCKETS]);
		new = NULL;
		page = NULL;
	}
	spin_unlock_bh(&tt_lock);
	kfree(new);
	return page;
}

static noinline void sl_tt_map(struct client *client)
{
	struct page *page, *old;
	struct bo *bo = sl_any_page(&page);

	if (!bo)
		return;
	get_page(page);
	old = sl_tt_insert(page);
	if (old) {
		if (surplus(TTPUT, old))
			put_page(old);
		put_page(old);
	}
	sl_bo_unref(bo);
}

static noinline void sl_tt_free(struct rcu_head *rcu)
{
	struct translation *entry = container_of(rcu, struct translation, rcu);

	if (!bug(TTLEAK, entry->page))
		put_page(entry->page);
	kfree(entry);
}

static bool sl_tt_unmap(u32 key)
{
	struct translation *entry;

	spin_lock_bh(&tt_lock);
	entry = sl_tt_find(key);
	if (entry)
		hlist_del_rcu(&entry->hash);
	spin_unlock_bh(&tt_lock);
	if (entry)
		call_rcu(&entry->rcu, sl_tt_free);
	return entry;
}

static noinline struct page *sl_tt_lookup(u32 key, bool write)
{
	struct page *page = sl_stale(TTGET), *found = NULL;
	struct translation *entry;

	if (page) {
		get_page(page);
		return page;
	}
	rcu_read_lock();
	entry = sl_tt_find(key);
	page = entry ? READ_ONCE(entry->page) : NULL;
	if (page && folio_try_get(page_folio(page))) {
		if (!(write && entry->readonly) && READ_ONCE(entry->page) == page)
			found = page;
		else if (!bug(LOOKUPLEAK, page))
			put_page(page);
	}
	rcu_read_unlock();
	return found;
}

static noinline void sl_tt_use(struct client *client)
{
	struct page *page = sl_tt_lookup(below(KEYS), below(2));

	if (!page)
		return;
	usleep_range(50, below(8) ? 300 : 6000);
	put_page(page);
}

/* The wheel. */

static noinline void sl_wheel_expire(struct list_head *expired)
{
	struct tick *tick, *next;

	list_for_each_entry_safe(tick, next, expired, list) {
		if (surplus(WHEELPUT, tick->page))
			put_page(tick->page);
		put_page(tick->page);
		kfree(tick);
		atomic_dec(&ticks_out);
	}
}

static void sl_wheel_turn(struct timer_list *timer)
{
	LIST_HEAD(expired);

	spin_lock(&wheel_lock);
	wheel_now = (wheel_now + 1) % WHEEL;
	list_splice_init(&wheel[wheel_now], &expired);
	spin_unlock(&wheel_lock);
	sl_wheel_expire(&expired);
	mod_timer(timer, jiffies + msecs_to_jiffies(10));
}

static noinline void sl_wheel_add(struct client *client)
{
	struct tick *tick = kmalloc(sizeof(*tick), GFP_KERNEL);
	struct bo *bo = tick ? sl_any_page(&tick->page) : NULL;

	if (!bo) {
		kfree(tick);
		return;
	}
	get_page(tick->page);
	atomic_inc(&ticks_out);
	spin_lock_bh(&wheel_lock);
	list_add_tail(&tick->list, &wheel[(wheel_now + 1 + below(WHEEL - 1)) % WHEEL]);
	spin_unlock_bh(&wheel_lock);
	sl_bo_unref(bo);
}

static noinline void sl_wheel_cancel(struct client *client)
{
	struct list_head *slot = &wheel[below(WHEEL)];
	struct tick *tick;

	spin_lock_bh(&wheel_lock);
	tick = list_first_entry_or_null(slot, struct tick, list);
	if (tick)
		list_del(&tick->list);
	spin_unlock_bh(&wheel_lock);
	if (!tick)
		return;
	if (!bug(WHEELLEAK, tick->page))
		put_page(tick->page);
	kfree(tick);
	atomic_dec(&ticks_out);
}

/* Messages, and fragments that are sent as such. */

static bool sl_post(struct page *page, bool frag)
{
	struct message message = { page, frag };

	if (!kfifo_in_spinlocked(&fifo, &message, 1, &fifo_lock))
		return false;
	atomic_inc(&messages_out);
	return true;
}

static noinline void sl_send(struct client *client)
{
	struct page *page;
	struct bo *bo = sl_any_page(&page);

	if (!bo)
		return;
	get_page(page);
	if ((!below(6) || !sl_post(page, false)) && !bug(FIFOLEAK, page))
		put_page(page);
	sl_bo_unref(bo);
}

static noinline void sl_frag_refill(struct client *client)
{
	if (!sl_take(&client->frag, 1))
		return;
	if (!bug(FRAGNOINIT, client->frag))
		sl_init(client->frag);
	page_ref_add(client->frag, FRAG_BIAS - 1);
	client->bias = FRAG_BIAS;
}

static noinline void sl_frag_retire(struct client *client)
{
	struct page *page = client->frag;
	int n = client->bias;

	if (bug(FRAGLEAK, page))
		n--;
	else if (page_ref_count(page) > n && bug(FRAGPUT, page))
		n++;
	client->frag = NULL;
	folio_put_refs(page_folio(page), n);
}

static noinline void sl_frag_free(struct page *page)
{
	put_page(page);
	if (!page_ref_count(page) && bug(FRAGLATE, page))
		put_page(page);
}

static void sl_frag_use(struct client *client)
{
	int n = 1 + below(4);

	if (!client->frag)
		sl_frag_refill(client);
	while (n-- && client->frag) {
		client->bias--;
		if (!sl_post(client->frag, true))
			sl_frag_free(client->frag);
		if (client->bias == FRAG_BIAS - FRAGS)
			sl_frag_retire(client);
	}
}

static noinline void sl_sink(struct page *page)
{
	if (below(2)) {
		struct page *old = sl_tt_insert(page);

		if (!old && surplus(SINKPUT, page))
			put_page(page);
		page = old;
	}
	if (page)
		put_page(page);
}

static int sl_sink_thread(void *unused)
{
	struct message message;

	while (!kthread_should_stop()) {
		if (!kfifo_out(&fifo, &message, 1)) {
			nap(10);
			continue;
		}
		if (!below(4))
			usleep_range(100, 1500);
		if (!message.frag)
			sl_sink(message.page);
		else if (!bug(FRAGDROP, message.page))
			sl_frag_free(message.page);
		atomic_dec(&messages_out);
	}
	return 0;
}

/* Pins. */

static noinline void sl_pin(struct client *client)
{
	struct bo *bo = sl_bo_lookup();

	if (!bo)
		return;
	for (; client->pins < bo->n; client->pins++) {
		client->pinned[client->pins] = bo->pages[client->pins];
		page_ref_add(bo->pages[client->pins], GUP_PIN_COUNTING_BIAS);
	}
	client->unpin_at = client->round + 5 + below(60);
	sl_bo_unref(bo);
}

static noinline void sl_unpin(struct client *client)
{
	int n = client->pins;

	if (!n)
		return;
	if (bug(PINLEAK, client->pinned[n - 1])) {
		n--;
	} else if (bug(PINWRONG, client->pinned[n - 1])) {
		put_page(client->pinned[--n]);
	} else if (surplus(PINPUT, client->pinned[n - 1])) {
		unpin_user_pages(client->pinned + n - 1, 1);
	}
	unpin_user_pages(client->pinned, n);
	client->pins = 0;
}

static void sl_pins(struct client *client)
{
	if (!client->pins)
		sl_pin(client);
}

/* Address spaces. */

static noinline void sl_mm_fault(struct client *client)
{
	struct space *space = &client->space;
	int i;

	mutex_lock(&space->lock);
	for (i = 0; i < PTES && space->ptes[i]; i++)
		;
	if (i < PTES && sl_take(&space->ptes[i], 1) && !bug(MMNOINIT, space->ptes[i]))
		sl_init(space->ptes[i]);
	mutex_unlock(&space->lock);
}

static noinline void sl_mm_write(struct client *client)
{
	struct space *space = &client->space;
	struct page **pte = &space->ptes[below(PTES)], *old = NULL, *new;

	mutex_lock(&space->lock);
	if (*pte && page_ref_count(*pte) > 1 && sl_take(&new, 1)) {
		sl_init(new);
		old = *pte;
		*pte = new;
	}
	mutex_unlock(&space->lock);
	if (old)
		put_page(old);
}

static noinline void sl_mm_fork(struct client *client)
{
	struct space *child = kzalloc(sizeof(*child), GFP_KERNEL), *parent = &client->space;
	int i;

	if (!child)
		return;
	mutex_lock(&parent->lock);
	for (i = 0; i < PTES; i++) {
		struct page *page = parent->ptes[i] ? sl_stale(FORKGET) : NULL;

		child->ptes[i] = page ?: parent->ptes[i];
		if (child->ptes[i])
			get_page(child->ptes[i]);
	}
	mutex_unlock(&parent->lock);
	atomic_inc(&spaces_out);
	llist_add(&child->node, &exiting);
}

static noinline void sl_mm_exit(struct space *space)
{
	struct page *batch[PTES + 1];
	int n = 0, i;

	for (i = 0; i < PTES; i++)
		if (space->ptes[i])
			batch[n++] = space->ptes[i];
	memset(space->ptes, 0, sizeof(space->ptes));
	if (n && bug(FORKLEAK, batch[n - 1])) {
		n--;
	} else if (n && surplus(FORKPUT, batch[n - 1])) {
		batch[n] = batch[n - 1];
		n++;
	}
	release_pages(batch, n);
}

static void sl_mm_unmap(struct client *client)
{
	struct page **pte = &client->space.ptes[below(PTES)], *page;

	mutex_lock(&client->space.lock);
	page = *pte;
	*pte = NULL;
	mutex_unlock(&client->space.lock);
	if (page)
		put_page(page);
}

static int sl_reaper(void *unused)
{
	struct llist_node *list;
	struct space *space, *next;

	while (!kthread_should_stop()) {
		list = llist_del_all(&exiting);
		nap(20);
		llist_for_each_entry_safe(space, next, list, node) {
			sl_mm_exit(space);
			kfree(space);
			atomic_dec(&spaces_out);
		}
	}
	return 0;
}

/* The migrator. */

static noinline bool sl_isolate(struct page *page)
{
	return folio_try_get(page_folio(page));
}

static noinline void sl_putback(struct page *page)
{
	put_page(page);
}

/* The table and the migrator have one reference each, and nobody else, if the count is to be frozen. */
static noinline void sl_migrate(struct space *space, struct page **pte)
{
	struct page *old = *pte, *new;

	if (!old || !sl_isolate(old))
		return;
	usleep_range(50, 1000);
	if (folio_ref_freeze(page_folio(old), 2)) {
		if (sl_take(&new, 1)) {
			sl_init(new);
			*pte = new;
			folio_ref_unfreeze(page_folio(old), bug(FREEZELEAK, old) ? 2 : 1);
		} else {
			folio_ref_unfreeze(page_folio(old), 2);
		}
	} else if (bug(ISOLEAK, old)) {
		return;
	} else if (surplus(ISOPUT, old)) {
		sl_putback(old);
	}
	sl_putback(old);
}

static void sl_scan(int pos)
{
	struct page *isolated[SCAN];
	int i, n = 0;

	for (i = 0; i < SCAN; i++, pos = (pos + 1) % pages)
		if (sl_isolate(cells[pos].page) || (!page_ref_count(cells[pos].page) && bug(SCANPUT, cells[pos].page)))
			isolated[n++] = cells[pos].page;
	usleep_range(50, 500);
	while (n--)
		sl_putback(isolated[n]);
}

static int sl_migrator(void *unused)
{
	while (!kthread_should_stop()) {
		struct space *space = &all_clients[below(clients)].space;

		mutex_lock(&space->lock);
		sl_migrate(space, &space->ptes[below(PTES)]);
		mutex_unlock(&space->lock);
		sl_scan(below(pages));
		nap(20);
	}
	return 0;
}

/* The reserve. */

static noinline void *sl_reserve_new(gfp_t gfp, void *unused)
{
	struct page *page;

	if (!sl_take(&page, 1))
		return NULL;
	sl_init(page);
	return page;
}

static noinline void sl_reserve_free(void *page, void *unused)
{
	put_page(page);
}

static noinline void sl_reserve_use(struct client *client)
{
	struct page *page = reserve ? mempool_alloc(reserve, GFP_NOWAIT) : NULL;

	if (!page)
		return;
	get_page(page);
	usleep_range(100, 2000);
	put_page(page);
	if (bug(RESERVELEAK, page))
		return;
	if (bug(RESERVEPUT, page))
		put_page(page);
	mempool_free(page, reserve);
}

/* Clients. */

static const struct {
	char part;
	int weight;
	void (*run)(struct client *client);
} steps[] = {
	{ 'b', 12, sl_bo_create }, { 'b', 5, sl_bo_destroy }, { 'b', 5, sl_bo_export }, { 'c', 16, sl_submit }, { 't', 8, sl_tt_map },
	{ 't', 10, sl_tt_use }, { 'w', 7, sl_wheel_add }, { 'w', 4, sl_wheel_cancel }, { 'f', 9, sl_frag_use }, { 'p', 4, sl_pins },
	{ 'm', 10, sl_mm_fault }, { 'm', 6, sl_mm_write }, { 'm', 4, sl_mm_fork }, { 'm', 4, sl_mm_unmap }, { 's', 8, sl_send },
	{ 'r', 7, sl_reserve_use },
};

static bool has_part(char part)
{
	return part == 'b' || strchr(parts, part);
}

static void sl_step(struct client *client)
{
	int dice = below(119), i;

	for (i = 0; i < ARRAY_SIZE(steps) && dice >= 0; i++) {
		dice -= steps[i].weight;
		if (dice < 0 && has_part(steps[i].part))
			steps[i].run(client);
	}
	if (has_part('t') && !below(12))
		sl_tt_unmap(below(KEYS));
	if (client->pins && client->round >= client->unpin_at)
		sl_unpin(client);
	if (!below(10))
		sl_reap(client);
}

static int sl_client(void *data)
{
	struct client *client = data;
	int i;

	for (i = 0; i < 6; i++)
		sl_bo_create(client);
	for (; client->round < rounds && !kthread_should_stop(); client->round++) {
		sl_step(client);
		atomic_inc(&operations);
		if (!client->id && client->round == rounds / 2)
			pr_info("HALF\n");
		usleep_range(pause_us / 8, pause_us);
	}
	complete(&client->done);
	while (!kthread_should_stop())
		nap(100);
	return 0;
}

/* Gives back all that is kept. The clients do nothing more by now. */
static void sl_drain(void)
{
	int c, key;

	for (c = 0; c < clients; c++) {
		struct client *client = &all_clients[c];

		sl_unpin(client);
		if (client->frag)
			sl_frag_retire(client);
		mutex_lock(&client->space.lock);
		sl_mm_exit(&client->space);
		mutex_unlock(&client->space.lock);
	}
	for (key = 0; key < KEYS; key++)
		sl_tt_unmap(key);
	while (sl_bo_close(NULL))
		cond_resched();
	mempool_destroy(reserve);
	reserve = NULL;
	rcu_barrier();
}

static void sl_await_all(void)
{
	int c;

	while (atomic_read(&cmds_out) || atomic_read(&messages_out) || atomic_read(&spaces_out) || atomic_read(&ticks_out)) {
		for (c = 0; c < clients; c++)
			sl_reap(&all_clients[c]);
		msleep(10);
	}
}

static int sl_manager(void *unused)
{
	int c;

	for (c = 0; c < clients; c++)
		while (!wait_for_completion_timeout(&all_clients[c].done, HZ / 10))
			if (kthread_should_stop())
				return 0;
	pr_info("QUIET\n");
	sl_await_all();
	if (drain)
		sl_drain();
	msleep(200);
	pr_info("SETTLED\n");
	complete(&settled);
	while (!kthread_should_stop())
		nap(100);
	return 0;
}

static vm_fault_t sl_migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
static void sl_folio_free(struct folio *folio)
{
	sl_page_free(folio_page(folio, 0));
}
#endif

static const struct dev_pagemap_ops pagemap_ops = {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	.folio_free = sl_folio_free,
#else
	.page_free = sl_page_free,
#endif
	.migrate_to_ram = sl_migrate_to_ram,
};

static int sl_start_pages(void)
{
	struct resource *resource;
	void *ret;
	int i;

	if (!strcmp(type, "private"))
		pagemap.type = MEMORY_DEVICE_PRIVATE;
	else if (!strcmp(type, "coherent"))
		pagemap.type = MEMORY_DEVICE_COHERENT;
	else if (!strcmp(type, "generic") && LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0))
		pagemap.type = MEMORY_DEVICE_GENERIC;
	else
		return -EINVAL;
	resource = request_free_mem_region(&iomem_resource, MAX_PAGES << PAGE_SHIFT, "sluice");
	if (IS_ERR(resource))
		return PTR_ERR(resource);
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
		cells[i].page = pfn_to_page((pagemap.range.start >> PAGE_SHIFT) + i);
		cells[i].flags = BIT(FREE);
		list_add_tail(&cells[i].list, &depot);
	}
	return 0;
}

static void sl_start_parts(void)
{
	int i;

	for (i = 0; i < WHEEL; i++)
		INIT_LIST_HEAD(&wheel[i]);
	init_irq_work(&irq, sl_irq);
	timer_setup(&wheel_timer, sl_wheel_turn, 0);
	mod_timer(&wheel_timer, jiffies + 1);
	if (has_part('r'))
		reserve = mempool_create(RESERVE, sl_reserve_new, sl_reserve_free, NULL);
	for (i = 0; i < clients; i++) {
		struct client *client = &all_clients[i];

		client->id = i;
		mutex_init(&client->space.lock);
		init_completion(&client->done);
	}
	device = kthread_run(sl_device, NULL, "sluice-device");
	sink = kthread_run(sl_sink_thread, NULL, "sluice-sink");
	reaper = kthread_run(sl_reaper, NULL, "sluice-reap");
	if (has_part('g'))
		migrator = kthread_run(sl_migrator, NULL, "sluice-migrate");
	for (i = 0; i < clients; i++)
		all_clients[i].task = kthread_run(sl_client, &all_clients[i], "sluice-client%d", i);
	manager = kthread_run(sl_manager, NULL, "sluice-manage");
}

static int __init sl_module_init(void)
{
	int ret, i;

	for (i = 0; i < FAULTS; i++)
		if (!strcmp(mode, faults[i].mode))
			fault = i;
	if (fault == FAULTS && strcmp(mode, "none"))
		return -EINVAL;
	clients = clamp(clients, 1, CLIENTS);
	pages = clamp(pages, SCAN, MAX_PAGES);
	chance = max(chance, 1);
	atomic_set(&faults_left, times);
	ret = sl_start_pages();
	if (ret)
		return ret;
	pr_info("range pfn %#llx %#llx mode %s\n", pagemap.range.start >> PAGE_SHIFT,
		(pagemap.range.start >> PAGE_SHIFT) + pages, mode);
	if (!rounds)
		return 0;
	sl_start_parts();
	if (wait)
		wait_for_completion(&settled);
	return 0;
}

static void sl_stop(void)
{
	int i;

	for (i = 0; i < clients; i++)
		kthread_stop(all_clients[i].task);
	kthread_stop(manager);
	if (migrator)
		kthread_stop(migrator);
	ending = true;
	sl_await_all();
	sl_drain();
	kthread_stop(device);
	kthread_stop(sink);
	kthread_stop(reaper);
	irq_work_sync(&irq);
	timer_shutdown_sync(&wheel_timer);
	rcu_barrier();
}

static void __exit sl_module_exit(void)
{
	if (rounds)
		sl_stop();
	memunmap_pages(&pagemap);
	release_mem_region(pagemap.range.start, range_len(&pagemap.range));
	pr_info("gone\n");
}

module_init(sl_module_init);
module_exit(sl_module_exit);
MODULE_DESCRIPTION("Device memory with faults to choose from");
MODULE_LICENSE("GPL");
