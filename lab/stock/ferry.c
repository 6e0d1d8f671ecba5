// SPDX-License-Identifier: GPL-2.0
/*
 * ferry: pages that three parts of a driver pass around, for recordings by debug registers on kernels without page_ref events.
 * mode=leak keeps a reference, mode=dput gives one back twice. Not for real machines.
 */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/kthread.h>
#include <linux/delay.h>
static char *mode = "ok"; module_param(mode, charp, 0444);
static int delay_s = 40; module_param(delay_s, int, 0444);
static struct page *pg[4]; static atomic_t running = ATOMIC_INIT(3);
static noinline void ferry_submit(struct page *p) { get_page(p); }
static noinline void ferry_complete(struct page *p) { put_page(p); }
static noinline void ferry_fill(struct page *p, int n) { page_ref_add(p, n); }
static noinline void ferry_drain(struct page *p, int n) { folio_put_refs(page_folio(p), n); }
static noinline bool ferry_peek(struct page *p) { return get_page_unless_zero(p); }
static noinline void ferry_unpeek(struct page *p) { put_page(p); }
static int submitter(void *a)
{
	int i; msleep(delay_s * 1000);
	for (i = 0; i < 60; i++) {
		struct page *p = pg[i & 3];
		ferry_submit(p); usleep_range(50, 150);
		if (!strcmp(mode, "leak") && i == 30) { pr_info("ferry: GUILTY pfn %#lx fn ferry_submit kind leak\n", page_to_pfn(p)); continue; }
		ferry_complete(p);
		if (!strcmp(mode, "dput") && i == 33) { pr_info("ferry: GUILTY pfn %#lx fn ferry_complete kind surplus-put\n", page_to_pfn(p)); ferry_complete(p); }
	}
	atomic_dec(&running); while (!kthread_should_stop()) msleep(20); return 0;
}
static int batcher(void *a)
{
	int i; msleep(delay_s * 1000);
	for (i = 0; i < 40; i++) { struct page *p = pg[(i * 3) & 3]; int n = 2 + (i & 1); ferry_fill(p, n); usleep_range(50, 200); ferry_drain(p, n); }
	atomic_dec(&running); while (!kthread_should_stop()) msleep(20); return 0;
}
static int scanner(void *a)
{
	int i; msleep(delay_s * 1000);
	for (i = 0; i < 80; i++) { struct page *p = pg[(i * 7) & 3]; if (ferry_peek(p)) { udelay(20); ferry_unpeek(p); } usleep_range(30, 90); }
	atomic_dec(&running); while (!kthread_should_stop()) msleep(20); return 0;
}
static struct task_struct *t[3];
static int __init ferry_init(void)
{
	int i; for (i = 0; i < 4; i++) { pg[i] = alloc_page(GFP_KERNEL); get_page(pg[i]); /* so that a put too many does not free it */ pr_info("ferry: page %d pfn %#lx struct %px ref %px count %d\n", i, page_to_pfn(pg[i]), pg[i], &pg[i]->_refcount, page_ref_count(pg[i])); }
	t[0] = kthread_run(submitter, NULL, "ferry-submit"); t[1] = kthread_run(batcher, NULL, "ferry-batch"); t[2] = kthread_run(scanner, NULL, "ferry-scan");
	return 0;
}
static void __exit ferry_exit(void)
{
	int i; while (atomic_read(&running)) msleep(50);
	for (i = 0; i < 3; i++) kthread_stop(t[i]);
	for (i = 0; i < 4; i++) pr_info("ferry: end page %d pfn %#lx count %d\n", i, page_to_pfn(pg[i]), page_ref_count(pg[i]));
	for (i = 0; i < 4; i++) { int n = page_ref_count(pg[i]); while (n-- > 0) ferry_complete(pg[i]); }
}
module_init(ferry_init); module_exit(ferry_exit); MODULE_LICENSE("GPL");
