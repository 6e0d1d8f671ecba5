// SPDX-License-Identifier: GPL-2.0
/*
 * zd2: a toy driver that owns a device-private pagemap: a scanner takes and drops a reference of every live page from a
 * thread of its own, I/O takes references that a worker gives back. It misbehaves once on request, and says in dmesg where.
 * Not for real machines.
 *
 * insmod zd2.ko mode=<ok|scanleak|ioleak|iotwice|pinleak|pintwice|unpintwice|relleak|early> [npages=1024] [rounds=8] [victim=3]
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

static char *mode = "ok";
module_param(mode, charp, 0444);
static unsigned int npages = 1024;	/* a multiple of 512 */
module_param(npages, uint, 0444);
static unsigned int rounds = 8;
module_param(rounds, uint, 0444);
static unsigned int victim = 3;		/* index of the page, in order of allocation, that the bug hits */
module_param(victim, uint, 0444);

#define NW 32				/* pages live at once */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
#define FREE_COUNT 0			/* reference count of a free device-private page */
#else
#define FREE_COUNT 1
#endif

static struct dev_pagemap pgmap;
static struct resource *res;
static struct page *free_list;
static unsigned long nfree, ncalls_free;
static DEFINE_SPINLOCK(lock);

static void zdbug_push(struct page *page)
{
	page->zone_device_data = free_list;
	free_list = page;
	nfree++;
}

/* the driver's free callback: the core calls it when the last reference is gone */
static noinline void zdbug_page_free(struct page *page)
{
	spin_lock(&lock);
	zdbug_push(page);
	ncalls_free++;
	spin_unlock(&lock);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static void zdbug_folio_free(struct folio *folio) { zdbug_page_free(&folio->page); }
#endif

static vm_fault_t zdbug_migrate_to_ram(struct vm_fault *vmf) { return VM_FAULT_SIGBUS; }

static const struct dev_pagemap_ops zdbug_ops = {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	.folio_free = zdbug_folio_free,
#else
	.page_free = zdbug_page_free,
#endif
	.migrate_to_ram = zdbug_migrate_to_ram,
};

static struct page *zdbug_pop(void)
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

/* allocation as the protocol of this kernel wants it */
static noinline struct page *zdbug_alloc(void)
{
	struct page *page = zdbug_pop();

	if (!page)
		return NULL;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	zone_device_page_init(page, &pgmap, 0);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
	zone_device_page_init(page);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
	get_dev_pagemap(page_to_pfn(page), NULL);
	set_page_count(page, 1);
	lock_page(page);
#else
	get_page(page);
	lock_page(page);
#endif
	unlock_page(page);
	return page;
}


#include <linux/workqueue.h>
#include <linux/random.h>
#define SAY(page, how) pr_info("zdbug: GUILTY pfn %#lx fn %s step %u count_now %d\n", \
			page_to_pfn(page), how, step, page_ref_count(page))
static unsigned int step;
static noinline void zd2_release(struct page *page) { put_page(page); }
static noinline void zd2_pin(struct page *page) { get_page(page); }
static noinline void zd2_unpin(struct page *page) { put_page(page); }
static noinline void zd2_scan_get(struct page *page) { get_page(page); }
static noinline void zd2_scan_put(struct page *page) { put_page(page); }
static noinline void zd2_submit_io(struct page *page) { get_page(page); }
static noinline void zd2_end_io(struct page *page) { put_page(page); }
static noinline void zd2_cancel_io(struct page *page) { put_page(page); }

/* I/O: the reference is taken by whoever submits and dropped by a worker */
static struct workqueue_struct *wq;
struct io { struct work_struct w; struct page *page; int lose; int twice; };
static void zd2_io_work(struct work_struct *w)
{
	struct io *io = container_of(w, struct io, w);
	usleep_range(50, 400);
	if (!io->lose)
		zd2_end_io(io->page);
	if (io->twice)
		zd2_cancel_io(io->page);
	kfree(io);
}
static void zd2_io(struct page *page, int lose, int twice)
{
	struct io *io = kzalloc(sizeof(*io), GFP_KERNEL);
	INIT_WORK(&io->w, zd2_io_work);
	io->page = page; io->lose = lose; io->twice = twice;
	zd2_submit_io(page);
	queue_work(wq, &io->w);
}

/* a scanner in a thread of its own that looks at every live page now and then */
static struct page *live[NW];
static int scan_stop, scan_lose = -1;
static int zd2_scanner(void *unused)
{
	unsigned int i;
	while (!kthread_should_stop()) {
		for (i = 0; i < NW; i++) {
			struct page *page;
			spin_lock(&lock);
			page = live[i];
			if (page)
				zd2_scan_get(page);
			spin_unlock(&lock);
			if (!page)
				continue;
			if (scan_lose == i) {
				scan_lose = -1;
				SAY(page, "zd2_scan_get");
				continue;
			}
			zd2_scan_put(page);
		}
		usleep_range(100, 300);
	}
	return 0;
}

static int zdbug_work(void)
{
	struct page *p[NW], *page;
	unsigned int i, r;
	struct task_struct *t;
	bool hit;

	wq = alloc_workqueue("zd2", WQ_UNBOUND, 4);
	t = kthread_run(zd2_scanner, NULL, "zd2scan");
	for (r = 0; r < rounds; r++) {
		step = r;
		for (i = 0; i < NW; i++) {
			p[i] = zdbug_alloc();
			if (!p[i])
				return -ENOMEM;
			spin_lock(&lock);
			live[i] = p[i];
			spin_unlock(&lock);
		}
		for (i = 0; i < NW; i++) {
			hit = r == rounds / 2 && i == victim;
			zd2_pin(p[i]);
			if (hit && !strcmp(mode, "scanleak"))
				scan_lose = i;
			if (hit && !strcmp(mode, "ioleak")) {
				SAY(p[i], "zd2_submit_io");
				zd2_io(p[i], 1, 0);
			} else if (hit && !strcmp(mode, "iotwice")) {
				SAY(p[i], "zd2_cancel_io");
				zd2_io(p[i], 0, 1);
			} else if (get_random_u32() % 3)
				zd2_io(p[i], 0, 0);
			if (hit && !strcmp(mode, "pinleak")) {
				SAY(p[i], "zd2_pin");
				continue;
			}
			zd2_unpin(p[i]);
			if (hit && !strcmp(mode, "unpintwice")) {
				zd2_unpin(p[i]);
				SAY(p[i], "zd2_unpin");
			}
			if (hit && !strcmp(mode, "pintwice")) {
				zd2_pin(p[i]);
				SAY(p[i], "zd2_pin");
			}
			if (hit && !strcmp(mode, "early")) {
				/* given back by its owner while I/O and scanner may still hold it; and again at the end */
				zd2_release(p[i]);
				SAY(p[i], "zd2_release");
			}
		}
		flush_workqueue(wq);
		if (scan_lose >= 0)
			while (READ_ONCE(scan_lose) >= 0)
				usleep_range(100, 200);
		for (i = 0; i < NW; i++) {
			spin_lock(&lock);
			page = live[i];
			live[i] = NULL;
			spin_unlock(&lock);
			if (r == rounds / 2 && i == victim && !strcmp(mode, "relleak")) {
				SAY(page, "zdbug_alloc");
				continue;
			}
			zd2_release(page);
		}
		usleep_range(300, 900);
	}
	kthread_stop(t);
	destroy_workqueue(wq);
	return 0;
}

static int __init zdbug_init(void)
{
	unsigned long pfn, first, i;
	void *p;
	int ret;

	res = request_free_mem_region(&iomem_resource, (u64)npages << PAGE_SHIFT, "zdbug");
	if (IS_ERR(res))
		return PTR_ERR(res);
	pgmap.type = MEMORY_DEVICE_PRIVATE;
	pgmap.range.start = res->start;
	pgmap.range.end = res->start + ((u64)npages << PAGE_SHIFT) - 1;
	pgmap.nr_range = 1;
	pgmap.ops = &zdbug_ops;
	pgmap.owner = (void *)&zdbug_ops;
	first = res->start >> PAGE_SHIFT;
	pr_info("zdbug: mode %s range pfn %#lx %#lx type private free_count %d\n", mode, first, first + npages, FREE_COUNT);
	p = memremap_pages(&pgmap, numa_node_id());
	if (IS_ERR(p)) {
		release_mem_region(res->start, resource_size(res));
		return PTR_ERR(p);
	}
	for (pfn = first; pfn < first + npages; pfn++)
		zdbug_push(pfn_to_page(pfn));
	ret = zdbug_work();
	pr_info("zdbug: work ret %d free_list %lu of %u free_callbacks %lu\n", ret, nfree, npages, ncalls_free);
	for (pfn = first; pfn < first + npages; pfn++)
		if (page_ref_count(pfn_to_page(pfn)) != FREE_COUNT)
			pr_info("zdbug: pfn %#lx count %d is not the free value %d\n", pfn, page_ref_count(pfn_to_page(pfn)), FREE_COUNT);
	return 0;
}

static void __exit zdbug_exit(void)
{
	pr_info("zdbug: unload starts\n");
	memunmap_pages(&pgmap);
	release_mem_region(res->start, resource_size(res));
	pr_info("zdbug: unload done\n");
}
module_init(zdbug_init);
module_exit(zdbug_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("ZONE_DEVICE reference count bug lab");
