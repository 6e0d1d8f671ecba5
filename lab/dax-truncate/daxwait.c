// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does ftruncate() of a DAX file return once the last pin of its page is gone, if a mapping has come back meanwhile?
 *
 * gcc -O2 -o daxwait daxwait.c -lpthread; ./daxwait FILE-ON-DAX pipe; ./daxwait OTHER-FILE-ON-DAX pipe remap
 *
 * The pin: pipe (vmsplice), read=DEVICE or write=DEVICE (direct I/O of a device that takes four seconds or more, with the
 * mapping as its buffer), ring (a buffer registered with io_uring, FOLL_LONGTERM).
 * remap touches the page while the truncate sleeps; punch punches a hole instead; signal ends the sleep by a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static int fd, ends[2], ring = -1, punch;
static const char *pin;
static char *p;
static double began, unpinned;
static pthread_t pinning;
static volatile int done;
static volatile pid_t truncating;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *truncate_file(void *unused)
{
	const char *what = punch ? "fallocate(PUNCH_HOLE)" : "ftruncate";
	double at = now();
	int error;

	truncating = syscall(SYS_gettid);
	error = punch ? fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) : ftruncate(fd, 0);
	printf("%s -> %d%s after %.1f s\n", what, error, error && errno == EINTR ? " (EINTR)" : "", now() - at);
	done = 1;
	return unused;
}

static void *direct_io(void *unused)
{
	int writes = pin[0] == 'w';
	int device = open(strchr(pin, '=') + 1, O_DIRECT | (writes ? O_WRONLY : O_RDONLY));
	ssize_t bytes;

	if (device < 0)
		die(pin);
	bytes = writes ? pwrite(device, p, PAGE, 0) : pread(device, p, PAGE, 0);
	unpinned = now();
	printf("%s -> %zd after %.1f s\n", pin, bytes, unpinned - began);
	return unused;
}

static void take_pin(void)
{
	struct iovec page = { .iov_base = p, .iov_len = PAGE };
	struct io_uring_params params = { 0 };

	began = now();
	if (!strcmp(pin, "pipe")) {
		if (pipe(ends))
			die("pipe");
		printf("vmsplice -> %zd: the pipe has a reference\n", vmsplice(ends[1], &page, 1, 0));
	} else if (!strcmp(pin, "ring")) {
		ring = syscall(SYS_io_uring_setup, 4, &params);
		if (ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &page, 1)) {
			printf("RESULT refused: io_uring: %s\n", strerror(errno));
			exit(0);
		}
	} else {
		if (strncmp(pin, "read=", 5) && strncmp(pin, "write=", 6))
			exit(2);
		pthread_create(&pinning, NULL, direct_io, NULL);
		usleep(500000);
	}
}

static void let_go(void)
{
	char buffer[PAGE];

	if (!strcmp(pin, "pipe"))
		printf("read -> %zd: the pipe lets go\n", read(ends[0], buffer, PAGE));
	else if (!strcmp(pin, "ring"))
		printf("the ring lets go: %ld\n", syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	else
		pthread_join(pinning, NULL);
	if (!unpinned)
		unpinned = now();
}

static void where(const char *when)
{
	char path[64], function[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", truncating);
	f = done ? NULL : fopen(path, "r");
	if (f) {
		if (!fgets(function, sizeof(function), f))
			function[0] = 0;
		fclose(f);
	}
	printf("%s: truncate %s %s\n", when, done ? "is done" : "waits in", function);
}

static void nothing(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = nothing };
	int remap = 0, signals = 0;
	char buffer[PAGE];
	pthread_t thread;

	if (argc < 3) {
		fprintf(stderr, "usage: %s FILE pipe|read=DEVICE|write=DEVICE|ring [remap] [punch] [signal]\n", argv[0]);
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		remap |= !strcmp(argv[i], "remap");
		punch |= !strcmp(argv[i], "punch");
		signals |= !strcmp(argv[i], "signal");
	}
	pin = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	memset(buffer, 'x', PAGE);
	if (fd < 0 || pwrite(fd, buffer, PAGE, 0) != PAGE || fsync(fd))
		die(argv[1]);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	p[0] = 'a';
	take_pin();
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, truncate_file, NULL);
	sleep(2);
	where("pinned");
	if (remap && !done)
		printf("touch the page again: %d\n", *(volatile char *)p);
	sleep(1);
	let_go();
	for (int i = 0; i < 4; i++) {
		sleep(i ? 5 : 2);
		where("not pinned");
		if (done)
			break;
	}
	if (done) {
		printf("RESULT returned when the pin was gone\n");
		return 0;
	}
	printf("RESULT slept on for %.0f s without a pin\n", now() - unpinned);
	if (signals)
		printf("signal -> %d\n", pthread_kill(thread, SIGUSR1));
	else
		printf("munmap -> %d\n", munmap(p, PAGE));
	sleep(3);
	where(signals ? "signalled" : "not mapped");
	return 0;
}
