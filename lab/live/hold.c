// SPDX-License-Identifier: GPL-2.0-or-later
// Maps so many pages of a DAX file or device, puts the first 16 of them into a pipe, registers the next 16 with io_uring where that
// takes them (of a file it does not), says what their frames are, and stays.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PIPED = 16, REGISTERED = 16 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	const size_t pages = strtoul(argv[2], NULL, 10);
	const int file = open(argv[1], O_RDWR | O_CREAT, 0600);
	struct stat status;
	if (file < 0 || fstat(file, &status) < 0)
		die(argv[1]);
	if (S_ISREG(status.st_mode) && ftruncate(file, pages * PAGE) < 0)
		die("ftruncate");
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, 'x', pages * PAGE);
	int ends[2];
	struct iovec piped = { memory, PIPED * PAGE };
	if (pipe(ends) < 0)
		die("pipe");
	const ssize_t put = vmsplice(ends[1], &piped, 1, 0);
	struct io_uring_params params = { 0 };
	const int ring = syscall(SYS_io_uring_setup, 4, &params);
	struct iovec registered = { memory + PIPED * PAGE, REGISTERED * PAGE };
	const int failed = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &registered, 1);
	printf("pid %d piped %zd registered %d\n", getpid(), put < 0 ? 0 : put / PAGE, failed ? 0 : REGISTERED);
	// Bits 0 to 54 of an entry are the page's frame.
	const int map = open("/proc/self/pagemap", O_RDONLY);
	for (size_t i = 0; i < pages; i++) {
		uint64_t entry = 0;
		const uintptr_t address = (uintptr_t)memory + i * PAGE;
		if (pread(map, &entry, sizeof entry, address / PAGE * sizeof entry) != sizeof entry)
			die("pagemap");
		printf("%#lx %#lx\n", address, (unsigned long)(entry & ((1UL << 55) - 1)));
	}
	puts("done");
	fflush(stdout);
	for (;;)
		pause();
}
