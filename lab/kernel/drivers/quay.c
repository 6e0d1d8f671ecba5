// SPDX-License-Identifier: GPL-2.0
/*
 * quay - owns a few device-private pages ("crates") and moves them about, correctly or with one planted fault.
 *
 * Two dockers take crates from the pool, lend them to the subsystems below, and give them back:
 *   ring    requests, completed from a workqueue; when the ring is full or the request is refused, an error path puts
 *   sg      +n references for a scatter list, given back singly, then the rest at once, from another workqueue
 *   lease   a reference until a timer fires (softirq), or the lease is cancelled
 *   grave   a reference that an RCU callback gives back
 *   mail    a reference taken by one thread and given back by another, the clerk
 *   lru     a reference per crate on the list; the sweeper puts those at its cold end
 *   slots   a table that keeps a reference of each crate in it until another displaces it
 *   scan    a watchman who looks at every crate with folio_try_get()
 *   visits  four callers of one pair of helpers, qy_hold() and qy_drop(); one caller tail-calls qy_drop()
 *
 * insmod quay.ko rounds=N [seed=N] [mode=FAULT[,FAULT...]] [drain=1] [slow=1] [pages=N] [pause=MICROSECONDS]
 *
 * Without rounds only the pagemap is made. drain=1 empties the LRU and the table when all rounds are done, slow=1 gives one
 * crate to a reader that keeps it for good, pause is the mean time between two steps of a docker.
 *
 * Faults, each in the middle of the run:
 *   ringleak    a completion does not put               refuseleak  nor does the error path
 *   sgshort     the rest that is given back is short    sgover      or is one too many
 *   leaseleak   a cancelled lease is not put            leasetwice  a lease that has expired is put by the cancel, too
 *   slotleak    what was displaced is not put           lruleak     nor is what the sweeper takes off the list
 *   gravetwice  one reference is buried twice           mailtwice   the clerk puts twice
 *   scanleak    the watchman leaves early               refusetwice the error path puts twice
 *   visitleak   one of the four callers forgets         visitmany   50 times
 *   batchleak   the same on a crate with scatter lists  ownerleak   a docker forgets the pool's own reference
 *   stale       a get and a put on a free crate         noinit      a crate handed out without zone_device_page_init()
 *
 * The log tells the truth: GUILTY for each fault as it happens (with the time of the trace clock "local"), SETTLED when all
 * threads have stopped, COUNT for each page that is not idle then, and HELD for each reference that is held rightly.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/trace_clock.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete del_timer
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define WQ_PERCPU 0
#endif

static char *mode = "ok";
module_param(mode, charp, 0444);
static uint seed = 1;
module_param(seed, uint, 0444);
static uint rounds;
module_param(rounds, uint, 0444);
static uint pages = 128;
module_param(pages, uint, 0444);
static uint pause = 400;
module_param(pause, uint, 0444);
static bool drain;
module_param(drain, bool, 0444);
static bool slow;
module_param(slow, bool, 0444);

/* A function that is to be seen in stacks: neither inlined nor folded into another that does the same. */
#define SEEN noinline __attribute__((no_icf))

/*
 * A call in the last place becomes a jump, and the function that makes it is then missing from the stack. Most functions
 * here end with this; those that do not are meant to be missing.
 */
#define STAY_IN_STACK() barrier()

#define MOST_PAGES 128U
#define NR_RINGS 2
#define RING_ENTRIES 8
#define NR_LEASES 16
#define NR_SLOTS 24
#define BOX_ENTRIES 8
#define LRU_LIMIT 16

struct crate {
	struct list_head free, lru;
	bool is_free, on_lru;
	int lists;		/* scatter lists since it was handed out */
};

struct ring {
	spinlock_t lock;
	struct page *entry[RING_ENTRIES];
	unsigned int head, tail;
	struct work_struct work;
};

struct lease {
	struct timer_list timer;
	struct page *page;
	bool taken;
};

struct sg {
	struct work_struct work;
	struct page *page;
	int singly, rest;
};

struct grave {
	struct rcu_head rcu;
	struct page *page;
};

struct dice {
	u64 state;
};

static struct dev_pagemap pagemap;
static struct resource *area;
static unsigned long first_pfn;
static struct crate *crates;
static LIST_HEAD(pool);
static DEFINE_SPINLOCK(pool_lock);
static LIST_HEAD(lru);
static DEFINE_SPINLOCK(lru_lock);
static int lru_length;
static struct ring rings[NR_RINGS];
static struct lease leases[NR_LEASES];
static DEFINE_SPINLOCK(lease_lock);
static struct page *slots[NR_SLOTS];
static DEFINE_SPINLOCK(slot_lock);
static struct page *box[BOX_ENTRIES];
static unsigned int box_head, box_tail;
static DEFINE_SPINLOCK(box_lock);
static DECLARE_WAIT_QUEUE_HEAD(box_wait);
static struct workqueue_struct *ring_wq, *sg_wq;
static struct task_struct *harbour;
static atomic_t voyages = ATOMIC_INIT(0);
static struct page *slow_page;
static bool over;

static struct page *page_of(struct crate *crate)
{
	return pfn_to_page(first_pfn + (crate - crates));
}

static struct crate *crate_of(struct page *page)
{
	return &crates[page_to_pfn(page) - first_pfn];
}

static u32 roll(struct dice *dice, u32 sides)
{
	dice->state = dice->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(dice->state >> 33) % sides;
}

static void rest(struct dice *dice, u32 mean)
{
	u32 us = mean / 2 + roll(dice, mean + 1);

	usleep_range(us, us + 50);
}

/* Which fault is to be made, from which voyage on, and how often still. */

#define FAULTS(F) \
	F(ringleak, 1) F(refuseleak, 1) F(sgshort, 1) F(sgover, 1) F(leaseleak, 1) F(leasetwice, 1) \
	F(slotleak, 1) F(lruleak, 1) F(gravetwice, 1) F(mailtwice, 1) F(scanleak, 1) F(refusetwice, 1) \
	F(visitleak, 1) F(visitmany, 50) F(batchleak, 1) F(ownerleak, 1) F(stale, 1) F(noinit, 1)

#define NAME(name, times) fault_##name,
enum fault { FAULTS(NAME) NR_FAULTS };
#define ENTRY(name, times) { #name, times },
static struct {
	const char *name;
	int times;
	atomic_t left;
} faults[NR_FAULTS] = { FAULTS(ENTRY) };

static int arm_faults(void)
{
	char *copy = kstrdup(mode, GFP_KERNEL), *at = copy, *name;
	int err = 0, i;

	while ((name = strsep(&at, ","))) {
		for (i = 0; i < NR_FAULTS; i++)
			if (!strcmp(name, faults[i].name))
				break;
		if (i < NR_FAULTS)
			atomic_set(&faults[i].left, faults[i].times);
		else if (strcmp(name, "ok"))
			err = -EINVAL;
	}
	kfree(copy);
	return err;
}

/* Whether the fault is to be made here and now; @least is how many references the page must have for it. */
static bool trip(enum fault fault, struct page *page, int least)
{
	if (atomic_read(&voyages) < rounds / 2 || (page && page_ref_count(page) < least))
		return false;
	return atomic_dec_if_positive(&faults[fault].left) >= 0;
}

static void guilty(const char *kind, struct page *page, const char *functions)
{
	u64 now = trace_clock_local();
	unsigned long us = do_div(now, NSEC_PER_SEC) / NSEC_PER_USEC;

	pr_info("GUILTY kind=%s pfn=0x%lx function=%s time=%llu.%06lu\n", kind, page_to_pfn(page), functions, now, us);
}

/* The pool */

static void file_as_free(struct page *page)
{
	struct crate *crate = crate_of(page);
	unsigned long flags;

	spin_lock_irqsave(&pool_lock, flags);
	if (crate->is_free) {
		pr_info("pfn=0x%lx was free already\n", page_to_pfn(page));
	} else {
		crate->is_free = true;
		list_add_tail(&crate->free, &pool);
	}
	spin_unlock_irqrestore(&pool_lock, flags);
}

static vm_fault_t qy_migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static void qy_folio_free(struct folio *folio)
{
	file_as_free(&folio->page);
}

static const struct dev_pagemap_ops qy_ops = { .folio_free = qy_folio_free, .migrate_to_ram = qy_migrate_to_ram };
#define init_page(page) zone_device_page_init(page, &pagemap, 0)
#else
static void qy_page_free(struct page *page)
{
	file_as_free(page);
}

static const struct dev_pagemap_ops qy_ops = { .page_free = qy_page_free, .migrate_to_ram = qy_migrate_to_ram };
#define init_page(page) zone_device_page_init(page)
#endif

static SEEN struct page *qy_pool_take(void)
{
	struct crate *crate;
	struct page *page;

	spin_lock_irq(&pool_lock);
	crate = list_first_entry_or_null(&pool, struct crate, free);
	if (crate) {
		list_del(&crate->free);
		crate->is_free = false;
		crate->lists = 0;
	}
	spin_unlock_irq(&pool_lock);
	if (!crate)
		return NULL;
	page = page_of(crate);
	if (trip(fault_noinit, NULL, 0)) {
		guilty("no-init", page, "qy_pool_take");
	} else {
		init_page(page);
		unlock_page(page);
	}
	STAY_IN_STACK();
	return page;
}

static SEEN void qy_pool_give(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

/* Uses a pointer to a crate that went back to the pool long ago. */
static SEEN void qy_stale_look(void)
{
	struct crate *crate;

	spin_lock_irq(&pool_lock);
	crate = list_empty(&pool) ? NULL : list_last_entry(&pool, struct crate, free);
	spin_unlock_irq(&pool_lock);
	if (!crate || !trip(fault_stale, NULL, 0))
		return;
	guilty("get-on-free-page", page_of(crate), "qy_stale_look");
	get_page(page_of(crate));
	udelay(20);
	put_page(page_of(crate));
	STAY_IN_STACK();
}

/* Visits: four callers of one pair of helpers */

static SEEN void qy_hold(struct page *page)
{
	get_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_drop(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_visit_read(struct page *page)
{
	qy_hold(page);
	udelay(5);
	if (crate_of(page)->lists > 1 && trip(fault_batchleak, page, 2)) {
		guilty("leak", page, "qy_hold,qy_visit_read");
		return;
	}
	qy_drop(page);
	STAY_IN_STACK();
}

static SEEN void qy_visit_weigh(struct page *page)
{
	qy_hold(page);
	udelay(3);
	if (trip(fault_visitleak, page, 2) || trip(fault_visitmany, page, 2)) {
		guilty("leak", page, "qy_hold,qy_visit_weigh");
		return;
	}
	qy_drop(page);
	STAY_IN_STACK();
}

static SEEN void qy_visit_stamp(struct page *page, struct dice *dice)
{
	qy_hold(page);
	rest(dice, 60);
	qy_drop(page);
	STAY_IN_STACK();
}

/* Meant to tail-call qy_drop(): the put has the docker's frame above it, not this one's. */
static SEEN void qy_visit_seal(struct page *page)
{
	qy_hold(page);
	udelay(2);
	qy_drop(page);
}

/* Ring */

static SEEN void qy_ring_refuse(struct page *page)
{
	if (trip(fault_refuseleak, page, 2)) {
		guilty("leak", page, "qy_ring_post");
		return;
	}
	if (trip(fault_refusetwice, page, 3)) {
		guilty("surplus-put", page, "qy_ring_refuse");
		put_page(page);
	}
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_ring_post(struct ring *ring, struct page *page, struct dice *dice)
{
	bool queued = false;

	get_page(page);
	spin_lock_irq(&ring->lock);
	if (ring->head - ring->tail < RING_ENTRIES && roll(dice, 8)) {
		ring->entry[ring->head++ % RING_ENTRIES] = page;
		queued = true;
	}
	spin_unlock_irq(&ring->lock);
	if (queued)
		queue_work_on(roll(dice, num_online_cpus()), ring_wq, &ring->work);
	else
		qy_ring_refuse(page);
	STAY_IN_STACK();
}

static SEEN void qy_ring_complete(struct page *page)
{
	if (trip(fault_ringleak, page, 2)) {
		guilty("leak", page, "qy_ring_post");
		return;
	}
	put_page(page);
	STAY_IN_STACK();
}

static void qy_ring_work(struct work_struct *work)
{
	struct ring *ring = container_of(work, struct ring, work);
	struct page *page;

	usleep_range(100, 300);
	for (;;) {
		spin_lock_irq(&ring->lock);
		page = ring->head != ring->tail ? ring->entry[ring->tail++ % RING_ENTRIES] : NULL;
		spin_unlock_irq(&ring->lock);
		if (!page)
			return;
		qy_ring_complete(page);
	}
}

/* Scatter lists */

static SEEN void qy_sg_give_one(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_sg_give_rest(struct page *page, int count)
{
	if (trip(fault_sgshort, page, count + 1)) {
		guilty("leak", page, "qy_sg_map");
		count--;
	} else if (trip(fault_sgover, page, count + 2)) {
		guilty("surplus-put", page, "qy_sg_give_rest");
		count++;
	}
	folio_put_refs(page_folio(page), count);
	STAY_IN_STACK();
}

static void qy_sg_work(struct work_struct *work)
{
	struct sg *sg = container_of(work, struct sg, work);

	for (; sg->singly; sg->singly--) {
		qy_sg_give_one(sg->page);
		usleep_range(50, 150);
	}
	if (sg->rest)
		qy_sg_give_rest(sg->page, sg->rest);
	kfree(sg);
}

static SEEN void qy_sg_map(struct page *page, struct dice *dice)
{
	struct sg *sg = kmalloc(sizeof(*sg), GFP_KERNEL);
	int count = 2 + roll(dice, 5);

	if (!sg)
		return;
	sg->page = page;
	sg->singly = roll(dice, 3) ? roll(dice, count) : count;
	sg->rest = count - sg->singly;
	INIT_WORK(&sg->work, qy_sg_work);
	crate_of(page)->lists++;
	folio_ref_add(page_folio(page), count);
	queue_work(sg_wq, &sg->work);
	STAY_IN_STACK();
}

/* Leases */

static SEEN void qy_lease_expire(struct timer_list *timer)
{
	struct lease *lease = container_of(timer, struct lease, timer);
	struct page *page = lease->page;
	unsigned long flags;

	spin_lock_irqsave(&lease_lock, flags);
	lease->taken = false;
	spin_unlock_irqrestore(&lease_lock, flags);
	put_page(page);
	STAY_IN_STACK();
}

static SEEN struct lease *qy_lease_start(struct page *page, unsigned int ms)
{
	struct lease *lease;

	spin_lock_irq(&lease_lock);
	for (lease = leases; lease < leases + NR_LEASES && lease->taken; lease++)
		;
	if (lease < leases + NR_LEASES) {
		get_page(page);
		lease->taken = true;
		lease->page = page;
		mod_timer(&lease->timer, jiffies + msecs_to_jiffies(ms));
	} else {
		lease = NULL;
	}
	spin_unlock_irq(&lease_lock);
	STAY_IN_STACK();
	return lease;
}

/* Another docker may have been given the lease since it expired: of one crate there is one docker. */
static SEEN void qy_lease_cancel(struct lease *lease, struct page *page)
{
	bool ours;

	spin_lock_irq(&lease_lock);
	ours = lease->taken && lease->page == page && timer_delete(&lease->timer);
	if (ours)
		lease->taken = false;
	spin_unlock_irq(&lease_lock);
	if (ours && trip(fault_leaseleak, page, 2)) {
		guilty("leak", page, "qy_lease_start");
		return;
	}
	if (!ours && trip(fault_leasetwice, page, 1)) {
		guilty("surplus-put", page, "qy_lease_cancel,qy_lease_expire");
		ours = true;
	}
	if (ours)
		put_page(page);
	STAY_IN_STACK();
}

/* Graves */

static SEEN void qy_grave_drop(struct rcu_head *rcu)
{
	struct grave *grave = container_of(rcu, struct grave, rcu);

	put_page(grave->page);
	kfree(grave);
	STAY_IN_STACK();
}

static SEEN void qy_grave_dig(struct page *page)
{
	struct grave *grave = kmalloc(sizeof(*grave), GFP_KERNEL), *again = NULL;

	if (!grave)
		return;
	get_page(page);
	grave->page = page;
	if (trip(fault_gravetwice, page, 3))
		again = kmemdup(grave, sizeof(*grave), GFP_KERNEL);
	call_rcu(&grave->rcu, qy_grave_drop);
	if (again) {
		guilty("surplus-put", page, "qy_grave_drop");
		call_rcu(&again->rcu, qy_grave_drop);
	}
	STAY_IN_STACK();
}

/* Mail */

static SEEN void qy_mail_bounce(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_mail_send(struct page *page)
{
	bool sent = false;

	get_page(page);
	spin_lock_irq(&box_lock);
	if (box_head - box_tail < BOX_ENTRIES) {
		box[box_head++ % BOX_ENTRIES] = page;
		sent = true;
	}
	spin_unlock_irq(&box_lock);
	if (sent)
		wake_up(&box_wait);
	else
		qy_mail_bounce(page);
	STAY_IN_STACK();
}

static struct page *next_mail(void)
{
	struct page *page = NULL;

	spin_lock_irq(&box_lock);
	if (box_head != box_tail)
		page = box[box_tail++ % BOX_ENTRIES];
	spin_unlock_irq(&box_lock);
	return page;
}

static SEEN void qy_mail_done(struct page *page)
{
	if (trip(fault_mailtwice, page, 3)) {
		guilty("surplus-put", page, "qy_mail_done");
		put_page(page);
	}
	put_page(page);
	STAY_IN_STACK();
}

static int qy_clerk(void *unused)
{
	struct dice dice = { seed * 31 + 3 };
	struct page *page;

	while (!kthread_should_stop()) {
		wait_event_interruptible_timeout(box_wait, box_head != box_tail || kthread_should_stop(), HZ / 10);
		while ((page = next_mail())) {
			rest(&dice, 100);
			qy_mail_done(page);
		}
	}
	return 0;
}

/* LRU */

static SEEN void qy_lru_touch(struct page *page)
{
	struct crate *crate = crate_of(page);

	spin_lock_irq(&lru_lock);
	if (crate->on_lru) {
		list_move(&crate->lru, &lru);
	} else {
		get_page(page);
		crate->on_lru = true;
		list_add(&crate->lru, &lru);
		lru_length++;
	}
	spin_unlock_irq(&lru_lock);
	STAY_IN_STACK();
}

static SEEN bool qy_lru_evict(int limit)
{
	struct crate *crate = NULL;
	struct page *page;

	spin_lock_irq(&lru_lock);
	if (lru_length > limit) {
		crate = list_last_entry(&lru, struct crate, lru);
		list_del(&crate->lru);
		crate->on_lru = false;
		lru_length--;
	}
	spin_unlock_irq(&lru_lock);
	if (!crate)
		return false;
	page = page_of(crate);
	if (trip(fault_lruleak, page, 1))
		guilty("leak", page, "qy_lru_touch");
	else
		put_page(page);
	STAY_IN_STACK();
	return true;
}

static int qy_sweeper(void *unused)
{
	struct dice dice = { seed * 37 + 5 };

	while (!kthread_should_stop()) {
		while (qy_lru_evict(LRU_LIMIT - roll(&dice, 5)))
			;
		rest(&dice, 4000);
	}
	return 0;
}

/* Slots */

/* Missing from the stack: the event is its last call. */
static SEEN void qy_slot_take(struct page *page)
{
	get_page(page);
}

static SEEN void qy_slot_let_go(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_slot_displace(struct page *page)
{
	if (trip(fault_slotleak, page, 1)) {
		guilty("leak", page, "qy_slot_store");
		return;
	}
	put_page(page);
	STAY_IN_STACK();
}

static SEEN void qy_slot_store(unsigned int slot, struct page *page)
{
	struct page *old;

	get_page(page);
	spin_lock_irq(&slot_lock);
	old = slots[slot];
	slots[slot] = page;
	spin_unlock_irq(&slot_lock);
	if (old)
		qy_slot_displace(old);
	STAY_IN_STACK();
}

static SEEN struct page *qy_slot_look_up(unsigned int slot)
{
	struct page *page;

	spin_lock_irq(&slot_lock);
	page = slots[slot];
	if (page)
		qy_slot_take(page);
	spin_unlock_irq(&slot_lock);
	STAY_IN_STACK();
	return page;
}

static SEEN void qy_slot_clear(void)
{
	unsigned int slot;
	struct page *page;

	for (slot = 0; slot < NR_SLOTS; slot++) {
		spin_lock_irq(&slot_lock);
		page = slots[slot];
		slots[slot] = NULL;
		spin_unlock_irq(&slot_lock);
		if (page)
			put_page(page);
	}
	STAY_IN_STACK();
}

/* Looks up a few crates and lets all of them go together. */
static SEEN void qy_slot_survey(struct dice *dice)
{
	struct page *found[4];
	int count = 0, i;

	for (i = 0; i < 4; i++) {
		found[count] = qy_slot_look_up(roll(dice, NR_SLOTS));
		if (found[count])
			count++;
	}
	udelay(10);
	while (count)
		qy_slot_let_go(found[--count]);
	STAY_IN_STACK();
}

/* The watchman */

static SEEN bool qy_scan_try(struct page *page)
{
	bool got = folio_try_get(page_folio(page));

	STAY_IN_STACK();
	return got;
}

static SEEN void qy_scan_leave(struct page *page)
{
	put_page(page);
	STAY_IN_STACK();
}

static int qy_watchman(void *unused)
{
	struct dice dice = { seed * 41 + 7 };
	unsigned int at = 0, i;
	struct page *page;

	while (!kthread_should_stop()) {
		for (i = 0; i < 8; i++) {
			page = pfn_to_page(first_pfn + at++ % pages);
			if (!qy_scan_try(page))
				continue;
			udelay(4);
			if (trip(fault_scanleak, page, 2)) {
				guilty("leak", page, "qy_scan_try");
				break;
			}
			qy_scan_leave(page);
		}
		rest(&dice, 12000);
	}
	return 0;
}

/* Dockers */

static SEEN void qy_lease_step(struct page *page, struct dice *dice)
{
	struct lease *lease = qy_lease_start(page, 4 + roll(dice, 16));

	/* Half of the leases are left to the timer; of the others, some have expired when they are cancelled. */
	if (!lease || roll(dice, 2))
		return;
	if (!roll(dice, 4))
		msleep(40);
	qy_lease_cancel(lease, page);
	STAY_IN_STACK();
}

static SEEN void qy_step(struct page *page, struct dice *dice)
{
	switch (roll(dice, 11)) {
	case 0:
	case 1:
		qy_ring_post(&rings[roll(dice, NR_RINGS)], page, dice);
		break;
	case 2:
		qy_sg_map(page, dice);
		break;
	case 3:
		qy_lease_step(page, dice);
		break;
	case 4:
		qy_grave_dig(page);
		break;
	case 5:
		qy_mail_send(page);
		break;
	case 6:
		qy_slot_survey(dice);
		break;
	case 7:
		qy_visit_read(page);
		break;
	case 8:
		qy_visit_weigh(page);
		break;
	case 9:
		qy_visit_stamp(page, dice);
		break;
	case 10:
		qy_visit_seal(page);
		break;
	}
	STAY_IN_STACK();
}

static SEEN void qy_voyage(struct dice *dice)
{
	struct page *page = qy_pool_take();
	int steps = 2 + roll(dice, 6);

	if (!page) {
		msleep(20);
		return;
	}
	if (slow && atomic_read(&voyages) > rounds / 2 && !cmpxchg(&slow_page, NULL, page))
		qy_hold(page);
	while (steps--) {
		qy_step(page, dice);
		rest(dice, pause);
	}
	if (roll(dice, 3))
		qy_lru_touch(page);
	if (!roll(dice, 3))
		qy_slot_store(roll(dice, NR_SLOTS), page);
	if (trip(fault_ownerleak, page, 1)) {
		guilty("leak", page, "qy_pool_take,zone_device_page_init");
		return;
	}
	qy_pool_give(page);
	STAY_IN_STACK();
}

static int qy_docker(void *number)
{
	struct dice dice = { seed * 43 + (long)number };
	int voyage;

	while (!READ_ONCE(over)) {
		voyage = atomic_inc_return(&voyages);
		if (voyage > rounds)
			break;
		if (voyage % 20 == 0)
			pr_info("voyage %d of %u\n", voyage, rounds);
		qy_voyage(&dice);
		qy_stale_look();
		if (!roll(&dice, 4))
			rest(&dice, pause * 4);
	}
	while (!kthread_should_stop())
		msleep(10);
	return 0;
}

static bool leases_are_out(void)
{
	bool out = false;
	int i;

	spin_lock_irq(&lease_lock);
	for (i = 0; i < NR_LEASES; i++)
		out |= leases[i].taken;
	spin_unlock_irq(&lease_lock);
	return out;
}

static SEEN void qy_lru_drain(void)
{
	while (qy_lru_evict(0))
		;
	STAY_IN_STACK();
}

static void tell_the_end(void)
{
	struct crate *crate;
	unsigned int i;

	for (i = 0; i < pages; i++)
		if (page_ref_count(page_of(&crates[i])))
			pr_info("COUNT pfn=0x%lx count=%d\n", first_pfn + i, page_ref_count(page_of(&crates[i])));
	list_for_each_entry(crate, &lru, lru)
		pr_info("HELD pfn=0x%lx by=lru\n", page_to_pfn(page_of(crate)));
	for (i = 0; i < NR_SLOTS; i++)
		if (slots[i])
			pr_info("HELD pfn=0x%lx by=slots\n", page_to_pfn(slots[i]));
	if (slow_page)
		pr_info("HELD pfn=0x%lx by=slow\n", page_to_pfn(slow_page));
	pr_info("SETTLED\n");
}

/* Runs the threads, and stops them in an order in which nobody is left with a reference. */
static int qy_harbour(void *unused)
{
	struct task_struct *sweeper, *watchman, *clerk, *dockers[2];
	int i;

	clerk = kthread_run(qy_clerk, NULL, "qy-clerk");
	sweeper = kthread_run(qy_sweeper, NULL, "qy-sweeper");
	watchman = kthread_run(qy_watchman, NULL, "qy-watchman");
	for (i = 0; i < 2; i++)
		dockers[i] = kthread_run(qy_docker, (void *)(long)i, "qy-docker/%d", i);
	while (!READ_ONCE(over) && atomic_read(&voyages) <= rounds)
		msleep(20);
	for (i = 0; i < 2; i++)
		kthread_stop(dockers[i]);
	kthread_stop(watchman);
	kthread_stop(sweeper);
	flush_workqueue(ring_wq);
	flush_workqueue(sg_wq);
	while (leases_are_out() || box_head != box_tail)
		msleep(20);
	kthread_stop(clerk);
	rcu_barrier();
	if (drain) {
		qy_lru_drain();
		qy_slot_clear();
	}
	msleep(200);
	tell_the_end();
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static int __init quay_init(void)
{
	int err, i;
	void *at;

	pages = clamp(pages, 32U, MOST_PAGES);
	err = arm_faults();
	if (err)
		return err;
	crates = kcalloc(MOST_PAGES, sizeof(*crates), GFP_KERNEL);
	ring_wq = alloc_workqueue("qy-ring", WQ_PERCPU, 0);
	sg_wq = alloc_workqueue("qy-sg", WQ_UNBOUND, 4);
	area = request_free_mem_region(&iomem_resource, (u64)MOST_PAGES << PAGE_SHIFT, "quay");
	if (IS_ERR(area))
		return PTR_ERR(area);
	pagemap.type = MEMORY_DEVICE_PRIVATE;
	pagemap.range.start = area->start;
	pagemap.range.end = area->end;
	pagemap.nr_range = 1;
	pagemap.ops = &qy_ops;
	pagemap.owner = &pagemap;
	at = memremap_pages(&pagemap, NUMA_NO_NODE);
	if (IS_ERR(at))
		return PTR_ERR(at);
	first_pfn = area->start >> PAGE_SHIFT;
	pr_info("mode %s seed %u rounds %u drain %d slow %d range pfn 0x%lx 0x%lx\n", mode, seed, rounds, drain, slow,
		first_pfn, first_pfn + pages);
	for (i = 0; i < pages; i++) {
		crates[i].is_free = true;
		list_add_tail(&crates[i].free, &pool);
	}
	for (i = 0; i < NR_RINGS; i++) {
		spin_lock_init(&rings[i].lock);
		INIT_WORK(&rings[i].work, qy_ring_work);
	}
	for (i = 0; i < NR_LEASES; i++)
		timer_setup(&leases[i].timer, qy_lease_expire, 0);
	if (rounds)
		harbour = kthread_run(qy_harbour, NULL, "qy-harbour");
	return 0;
}

/* A crate that leaked keeps memunmap_pages() waiting for good. */
static void __exit quay_exit(void)
{
	WRITE_ONCE(over, true);
	if (harbour)
		kthread_stop(harbour);
	qy_lru_drain();
	qy_slot_clear();
	if (slow_page)
		qy_drop(slow_page);
	memunmap_pages(&pagemap);
	release_mem_region(area->start, resource_size(area));
	destroy_workqueue(ring_wq);
	destroy_workqueue(sg_wq);
	kfree(crates);
}

module_init(quay_init);
module_exit(quay_exit);
MODULE_DESCRIPTION("Moves device-private pages about, correctly or with a planted fault");
MODULE_LICENSE("GPL");
