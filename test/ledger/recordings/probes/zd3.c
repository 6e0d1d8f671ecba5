// SPDX-License-Identifier: GPL-2.0
/*
 * zd3: a toy driver for recordings with probes. It owns a pagemap, hands its pages out, uses them, takes them back in
 * several rounds, and tears the pagemap down when it is unloaded. It misbehaves once on request, and says in dmesg where.
 * Not for real machines. Linux 5.10 to 5.17 (private), and 6.1 or later.
 *
 * insmod zd3.ko mode=MODE [type=private|generic] [npages=512] [rounds=4] [victim=3]
 *
 *   ok         nothing is wrong
 *   race       nothing is wrong: two CPUs drop the last two references of a page at the same moment, again and again
 *   churn      nothing is wrong: four threads hand pages to each other, with their only reference or one more (with
 *              type=generic before 6.15, what lateset provokes may happen by itself)
 *   useafter   a worker uses a page after the driver's callback has taken it back
 *   usegone    as useafter, when the page already belongs to its next owner
 *   freetwice  an error path calls the driver's own callback for a page that is free
 *   freeheld   an error path calls the driver's own callback for a page that its owner still has
 *   puttwice   an error path drops a reference that was dropped already
 *   scanget    a scanner takes a plain reference of a free page, and takes it back without freeing
 *   speculate  somebody takes a page if its count is not zero, and puts it: nothing is wrong but where a free page has one
 *   lateset    type=generic, before 6.15: free_zone_device_folio() sets the count after the callback, when the page
 *              belongs to somebody already
 *   hold       a page is never given back: unloading waits for ever
 *   holdgeneric  the same with type=generic: unloading does not wait
 *   holdforce  a page is never given back, and the driver drops a reference of the pagemap, so that unloading does not wait
 *   mapref     get_dev_pagemap() without put_dev_pagemap(): unloading waits for ever, and no page is held
 *   dying      a page is handed out while memunmap_pages() waits: the kernel warns
 *   warn       a WARN_ON() of the driver itself
 */
#include <linux/module.h>
#include <linux/version.h>
#include <linux/mm.h>
#include <linux/memremap.h>
#include <linux/pagemap.h>
#include <linux/ioport.h>
#include <linux/kthread.h>
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

static char *mode = "ok";
module_param(mode, charp, 0444);
static char *type = "private";
module_param(type, charp, 0444);
static unsigned int npages = 512;	/* a multiple of 512 */
module_param(npages, uint, 0444);
static unsigned int rounds = 4;
module_param(rounds, uint, 0444);
static unsigned int victim = 3;		/* index of the page, in order of allocation, that the fault hits */
module_param(victim, uint, 0444);

#define NW 16				/* pages live at once */

static struct dev_pagemap pgmap;
static struct resource *res;
static struct page *free_list;
static unsigned long nfree, ncalls_free, uses;
static struct page *slow, *lost;	/* the callback lingers over this page; this page was not given back */
static DEFINE_SPINLOCK(lock);
static unsigned int step;

static bool is(const char *name) { return !strcmp(mode, name); }
static bool generic(void) { return !strcmp(type, "generic"); }

#define SAY(page, how) pr_info("zd3: GUILTY pfn %#lx fn %s step %u count_now %d\n", \
			       page_to_pfn(page), how, step, page_ref_count(page))

static void zd3_push(struct page *page)
{
	page->zone_device_data = free_list;
	free_list = page;
	nfree++;
}

/* the driver's callback. Probe: lastput_free */
static noinline void zd3_page_free(struct page *page)
{
	spin_lock(&lock);
	if (page != free_list)		/* a second call in a row files it once: what is wrong stays one thing */
		zd3_push(page);
	ncalls_free++;
	spin_unlock(&lock);
	if (page == slow)
		mdelay(80);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static void zd3_folio_free(struct folio *folio) { zd3_page_free(&folio->page); }
#endif

static vm_fault_t zd3_migrate_to_ram(struct vm_fault *vmf) { return VM_FAULT_SIGBUS; }

static const struct dev_pagemap_ops zd3_ops = {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	.folio_free = zd3_folio_free,
#else
	.page_free = zd3_page_free,
#endif
	.migrate_to_ram = zd3_migrate_to_ram,
};

static struct page *zd3_pop(void)
{
	struct page *page;

	spin_lock(&lock);
	page = free_list;
	if (page) {
		free_list = page->zone_device_data;
		nfree--;
	}
	spin_unlock(&lock);
	return page;
}

/* who hands out without zone_device_page_init() has one place of its own for it. Probe: lastput_alloc */
static noinline void zd3_hand_out(struct page *page)
{
	get_page(page);
	if (generic() && page != slow)
		put_page(page);		/* as p2pdma: the reference of the pool becomes that of the owner */
}

static noinline struct page *zd3_alloc(void)
{
	struct page *page = zd3_pop();

	if (!page)
		return NULL;
	if (generic() || LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)) {
		zd3_hand_out(page);
		return page;
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	zone_device_page_init(page, &pgmap, 0);
	unlock_page(page);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
	zone_device_page_init(page);
	unlock_page(page);
#endif
	return page;
}

/* stands for DMA and the like: whoever comes here must hold a reference. Probe: lastput_use */
static noinline void zd3_use(struct page *page) { uses ^= (unsigned long)page; }
static noinline void zd3_release(struct page *page) { put_page(page); }
static noinline void zd3_submit_io(struct page *page) { get_page(page); }
static noinline void zd3_end_io(struct page *page) { put_page(page); }
static noinline void zd3_late_io(struct page *page) { zd3_use(page); SAY(page, "zd3_late_io"); }
static noinline void zd3_fail_io(struct page *page) { zd3_page_free(page); SAY(page, "zd3_fail_io"); }
static noinline void zd3_fail_put(struct page *page) { put_page(page); SAY(page, "zd3_fail_put"); }
static noinline void zd3_scan_get(struct page *page) { get_page(page); }
static noinline void zd3_scan_undo(struct page *page) { page_ref_dec(page); }
static noinline bool zd3_try_get(struct page *page) { return get_page_unless_zero(page); }
static noinline void zd3_try_put(struct page *page) { put_page(page); }
static noinline void zd3_check(struct page *page) { WARN_ON(page_ref_count(page) != 42); SAY(page, "zd3_check"); }

/* I/O: the reference is taken by whoever submits and dropped by a worker */
static struct workqueue_struct *wq;
struct io { struct work_struct w; struct page *page; void (*late)(struct page *page); };
static void zd3_io_work(struct work_struct *w)
{
	struct io *io = container_of(w, struct io, w);

	if (io->late) {
		io->late(io->page);
	} else {
		usleep_range(50, 400);
		zd3_use(io->page);
		zd3_end_io(io->page);
	}
	kfree(io);
}

static void zd3_io(struct page *page, void (*late)(struct page *page))
{
	struct io *io = kzalloc(sizeof(*io), GFP_KERNEL);

	INIT_WORK(&io->w, zd3_io_work);
	io->page = page;
	io->late = late;
	if (!late)
		zd3_submit_io(page);
	queue_work(wq, &io->w);
}

/* race: both CPUs leave a barrier and drop a reference of the same page */
static struct page *racing;
static atomic_t barrier = ATOMIC_INIT(0);
static void zd3_meet(int when)
{
	atomic_inc(&barrier);
	while (atomic_read(&barrier) < when)
		cond_resched();
}

static int zd3_racer(void *unused)
{
	unsigned int r;

	for (r = 0; r < rounds; r++) {
		zd3_meet(4 * r + 2);
		zd3_use(racing);
		zd3_end_io(racing);
		zd3_meet(4 * r + 4);
		cond_resched();
	}
	return 0;
}

static int zd3_race(void)
{
	struct task_struct *t = kthread_create(zd3_racer, NULL, "zd3race");
	unsigned int r;

	if (IS_ERR(t))
		return PTR_ERR(t);
	get_task_struct(t);
	kthread_bind(t, 1);
	wake_up_process(t);
	for (r = 0; r < rounds; r++) {
		racing = zd3_alloc();
		zd3_submit_io(racing);
		zd3_meet(4 * r + 2);
		zd3_use(racing);
		zd3_release(racing);
		/* whoever freed it: the next owner takes it at once */
		zd3_release(zd3_alloc());
		zd3_meet(4 * r + 4);
		cond_resched();
	}
	kthread_stop(t);
	put_task_struct(t);
	return 0;
}

/* churn: whoever leaves a page in a slot hands its reference over to whoever takes it from there */
static struct page *slots[4];
static struct page *zd3_swap(unsigned int slot, struct page *page)
{
	spin_lock(&lock);
	swap(slots[slot % ARRAY_SIZE(slots)], page);
	spin_unlock(&lock);
	return page;
}

static int zd3_churner(void *nr)
{
	unsigned int r, n = (long)nr;
	struct page *page;

	for (r = 0; r < rounds; r++) {
		page = zd3_alloc();
		if (!page) {		/* the workers are behind */
			usleep_range(500, 1000);
			continue;
		}
		zd3_use(page);
		if ((r ^ n) & 1)
			zd3_io(page, NULL);
		page = zd3_swap(r + n, page);
		if (page) {
			zd3_use(page);
			if (r & 2)
				page = zd3_swap(r, page);
			if (page)
				zd3_release(page);
		}
		if (!((r + n) % 5))
			usleep_range(20, 200);
		cond_resched();
	}
	atomic_inc(&barrier);
	return 0;
}

static int zd3_churn(void)
{
	struct task_struct *t[4];
	struct page *page;
	long i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = kthread_create(zd3_churner, (void *)i, "zd3churn");
		get_task_struct(t[i]);
		wake_up_process(t[i]);
	}
	while (atomic_read(&barrier) < ARRAY_SIZE(t))
		usleep_range(500, 1000);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		kthread_stop(t[i]);
		put_task_struct(t[i]);
	}
	flush_workqueue(wq);
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		page = zd3_swap(i, NULL);
		if (page)
			zd3_release(page);
	}
	flush_workqueue(wq);
	return 0;
}

/* lateset: somebody on another CPU takes the page as soon as it is on the list, and a reference for I/O */
static int zd3_taker(void *unused)
{
	struct page *page;

	while (READ_ONCE(free_list) != slow)
		cond_resched();
	page = zd3_pop();
	zd3_hand_out(page);		/* 0 -> 1 */
	zd3_submit_io(page);		/* 1 -> 2, and free_zone_device_folio() sets 1 after it */
	SAY(page, "free_zone_device_folio");
	msleep(150);
	zd3_use(page);
	zd3_end_io(page);
	return 0;
}

static void zd3_late_set(struct page *page)
{
	struct task_struct *t = kthread_create(zd3_taker, NULL, "zd3taker");

	slow = page;
	kthread_bind(t, 1);
	wake_up_process(t);
	zd3_release(page);
	slow = NULL;
}

static void zd3_give_back(struct page *page, bool hit)
{
	struct page *next;

	if (hit && (is("hold") || is("holdgeneric") || is("holdforce"))) {
		SAY(page, "zd3_alloc");
		lost = page;
		return;
	}
	if (hit && is("lateset")) {
		zd3_late_set(page);
		return;
	}
	if (hit && is("freeheld")) {
		zd3_io(page, zd3_fail_io);
		flush_workqueue(wq);
		zd3_use(page);
	}
	zd3_release(page);
	if (!hit)
		return;
	if (is("puttwice"))
		zd3_io(page, zd3_fail_put);
	if (is("useafter"))
		zd3_io(page, zd3_late_io);
	if (is("freetwice"))
		zd3_io(page, zd3_fail_io);
	if (is("usegone")) {
		next = zd3_alloc();	/* the list is last in, first out: the same page */
		zd3_io(page, zd3_late_io);
		flush_workqueue(wq);
		zd3_release(next);
	}
	if (is("scanget")) {
		zd3_scan_get(page);
		SAY(page, "zd3_scan_get");
		usleep_range(50, 100);
		zd3_scan_undo(page);
	}
	if (is("speculate") && zd3_try_get(page)) {
		SAY(page, "zd3_try_get");
		usleep_range(50, 100);
		zd3_try_put(page);
	}
	flush_workqueue(wq);
}

static int zd3_work(void)
{
	struct page *p[NW];
	unsigned int i, r;
	bool hit;

	for (r = 0; r < rounds; r++) {
		step = r;
		for (i = 0; i < NW; i++) {
			p[i] = zd3_alloc();
			if (!p[i])
				return -ENOMEM;
			zd3_use(p[i]);
		}
		for (i = 0; i < NW; i++) {
			if ((i + r) % 3)
				zd3_io(p[i], NULL);
			if (is("warn") && r == rounds / 2 && i == victim)
				zd3_check(p[i]);
		}
		flush_workqueue(wq);
		for (i = 0; i < NW; i++) {
			hit = r == rounds / 2 && i == victim;
			zd3_give_back(p[i], hit);
		}
		usleep_range(300, 900);
	}
	if (is("mapref")) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
		get_dev_pagemap(page_to_pfn(p[0]));
#else
		get_dev_pagemap(page_to_pfn(p[0]), NULL);
#endif
		SAY(p[0], "zd3_work");
	}
	return 0;
}

static int __init zd3_init(void)
{
	unsigned long pfn, first;
	void *p;
	int ret;

	res = request_free_mem_region(&iomem_resource, (u64)npages << PAGE_SHIFT, "zd3");
	if (IS_ERR(res))
		return PTR_ERR(res);
	wq = alloc_workqueue("zd3", WQ_UNBOUND, 4);
	pgmap.type = generic() ? MEMORY_DEVICE_GENERIC : MEMORY_DEVICE_PRIVATE;
	pgmap.range.start = res->start;
	pgmap.range.end = res->start + ((u64)npages << PAGE_SHIFT) - 1;
	pgmap.nr_range = 1;
	pgmap.ops = &zd3_ops;
	pgmap.owner = (void *)&zd3_ops;
	first = res->start >> PAGE_SHIFT;
	pr_info("zd3: mode %s type %s range pfn %#lx %#lx\n", mode, type, first, first + npages);
	p = memremap_pages(&pgmap, numa_node_id());
	if (IS_ERR(p)) {
		release_mem_region(res->start, resource_size(res));
		return PTR_ERR(p);
	}
	for (pfn = first; pfn < first + npages; pfn++)
		zd3_push(pfn_to_page(pfn));
	set_cpus_allowed_ptr(current, cpumask_of(0));	/* what races with it is on CPU 1 */
	ret = is("race") ? zd3_race() : is("churn") ? zd3_churn() : zd3_work();
	pr_info("zd3: work ret %d free_list %lu of %u free_callbacks %lu\n", ret, nfree, npages, ncalls_free);
	return 0;
}

/* dying: while memunmap_pages() waits for the page that is held, another is handed out */
static int zd3_hand_out_late(void *held)
{
	struct page *page;

	msleep(50);
	page = zd3_alloc();
	SAY(page, "zd3_alloc");
	zd3_release(held);
	return 0;
}

static int zd3_force(void *unused)
{
	msleep(50);
	put_dev_pagemap(&pgmap);
	return 0;
}

static void __exit zd3_exit(void)
{
	pr_info("zd3: unload starts\n");
	if (is("holdforce"))
		kthread_run(zd3_force, NULL, "zd3force");
	if (is("dying"))
		kthread_run(zd3_hand_out_late, zd3_alloc(), "zd3late");
	memunmap_pages(&pgmap);
	if (is("dying"))
		msleep(100);
	destroy_workqueue(wq);
	release_mem_region(res->start, resource_size(res));
	pr_info("zd3: unload done\n");
}
module_init(zd3_init);
module_exit(zd3_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ZONE_DEVICE probe lab");
