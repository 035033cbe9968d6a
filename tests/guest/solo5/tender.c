/* Does to a guest's memory what Solo5's tenders do: solo5-spt runs it at its own addresses, solo5-hvt keeps it
 * in a shared mapping. Called solo5-hvt with --dumpcore=FILE it runs the guest too, and writes a core of the
 * layout of hvt_module_dumpcore.c when it faults. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <ucontext.h>
#include <unistd.h>

#define BASE 0x10000UL

static unsigned char *ram;
static unsigned long size;
static const char *core;

static void dump(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	prstatus_t status = {0};
	struct user_regs_struct *user = (void *)&status.pr_reg;
	Elf64_Ehdr head = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_STANDALONE},
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof(head),
		.e_ehsize = sizeof(head), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
	};
	Elf64_Nhdr note = {.n_namesz = 8, .n_descsz = sizeof(status), .n_type = NT_PRSTATUS};
	Elf64_Phdr notes = {.p_type = PT_NOTE, .p_offset = sizeof(head) + 2 * sizeof(Elf64_Phdr)};
	Elf64_Phdr load = {.p_type = PT_LOAD, .p_filesz = size, .p_memsz = size};
	int fd = open(core, O_WRONLY | O_CREAT | O_EXCL, 0600);

	(void)number;
	(void)info;
	notes.p_filesz = notes.p_memsz = sizeof(note) + 8 + sizeof(status);
	load.p_offset = notes.p_offset + notes.p_filesz;
	user->rip = regs[REG_RIP];
	user->rsp = regs[REG_RSP];
	user->eflags = regs[REG_EFL];
	user->cs = 8;
	user->ss = 16;
	user->rbp = user->rbx = 0x5a5a5a5a; /* those of the hypercall, not of the fault */
	if (write(fd, &head, sizeof(head)) < 0 || write(fd, &notes, sizeof(notes)) < 0 ||
	    write(fd, &load, sizeof(load)) < 0 || write(fd, &note, sizeof(note)) < 0 ||
	    write(fd, "CORE\0\0\0\0", 8) < 0 || write(fd, &status, sizeof(status)) < 0 ||
	    pwrite(fd, (void *)BASE, size - BASE, load.p_offset + BASE) < 0)
		_exit(9);
	_exit(255);
}

static unsigned long load(const char *path)
{
	int fd = open(path, O_RDONLY);
	Elf64_Ehdr head;
	Elf64_Phdr segment;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		exit(9);
	for (int i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &segment, sizeof(segment), head.e_phoff + i * sizeof(segment)) < 0)
			exit(9);
		if (segment.p_type != PT_LOAD || !segment.p_memsz)
			continue;
		if (pread(fd, ram + segment.p_vaddr, segment.p_filesz, segment.p_offset) < 0)
			exit(9);
		if (segment.p_flags & PF_X)
			mprotect(ram + (segment.p_vaddr & ~4095UL), (segment.p_memsz + 4095) & ~4095UL,
				 PROT_READ | PROT_EXEC);
	}
	close(fd);
	return head.e_entry;
}

int main(int argc, char **argv)
{
	int shared, arg = 1;
	unsigned long entry;
	static char stack[65536];
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = dump, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	for (; arg < argc && argv[arg][0] == '-'; arg++) {
		if (!strncmp(argv[arg], "--dumpcore=", 11))
			core = argv[arg] + 11;
		sscanf(argv[arg], "--mem=%lu", &size);
	}
	size <<= 20;
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	shared = strstr(argv[0], "solo5-hvt") && !core;
	ram = shared ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) :
		       mmap((void *)BASE, size - BASE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (ram == MAP_FAILED)
		return 9;
	ram -= shared ? 0 : BASE;
	entry = load(argv[arg]);
	puts("ready");
	fflush(stdout);
	if (shared)
		return poll(NULL, 0, -1);
	if (core) {
		sigaltstack(&other, NULL);
		sigaction(SIGSEGV, &action, NULL);
	}
	__asm__ volatile("mov %0, %%rsp; jmp *%1" ::"r"(size - 8), "r"(entry), "D"((long)argv[arg + 1][0]));
	return 9;
}
