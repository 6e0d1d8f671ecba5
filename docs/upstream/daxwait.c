// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does ftruncate() of a DAX file return once the last pin of its page is gone, if a mapping has come back meanwhile?
 *
 * gcc -O2 -o daxwait daxwait.c -lpthread; ./daxwait FILE-ON-DAX plain; ./daxwait OTHER-FILE-ON-DAX remap
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static int fd;
static volatile int done;
static volatile pid_t truncating;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *truncate_file(void *unused)
{
	double began = now();
	int error;

	truncating = syscall(SYS_gettid);
	error = ftruncate(fd, 0);
	printf("ftruncate -> %d after %.1f s\n", error, now() - began);
	done = 1;
	return unused;
}

static void where(const char *when)
{
	char path[64], function[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", truncating);
	f = fopen(path, "r");
	if (f) {
		if (!fgets(function, sizeof(function), f))
			function[0] = 0;
		fclose(f);
	}
	printf("%s: truncate %s %s\n", when, done ? "is done" : "waits in", done ? "" : function);
}

int main(int argc, char **argv)
{
	int remap = argc > 2 && !strcmp(argv[2], "remap");
	char buffer[PAGE], *p;
	struct iovec page;
	pthread_t thread;
	int ends[2];

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE [remap]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	memset(buffer, 'x', PAGE);
	if (fd < 0 || pwrite(fd, buffer, PAGE, 0) != PAGE || fsync(fd)) {
		perror(argv[1]);
		return 1;
	}
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || pipe(ends)) {
		perror("mmap, pipe");
		return 1;
	}
	p[0] = 'a';
	page.iov_base = p;
	page.iov_len = PAGE;
	printf("vmsplice -> %zd: the pipe has a reference\n", vmsplice(ends[1], &page, 1, 0));
	pthread_create(&thread, NULL, truncate_file, NULL);
	sleep(3);
	where("pinned");
	if (remap)
		printf("touch the page again: %c\n", *(volatile char *)p);
	sleep(1);
	printf("read -> %zd: the pipe lets go\n", read(ends[0], buffer, PAGE));
	for (int i = 0; i < 4 && !done; i++) {
		sleep(5);
		where("not pinned");
	}
	if (!done) {
		printf("munmap -> %d\n", munmap(p, PAGE));
		sleep(3);
		where("not mapped");
	}
	return 0;
}
