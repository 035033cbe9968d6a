/* main.c - from 64-bit mode to the thread "main". */
#include "internal.h"

void kmain(uint64_t start_info) __attribute__((noreturn));

/* The kernel alone, when no application is linked in. */
void __attribute__((weak)) app_main(void)
{
	klog(UNIOBS_LEVEL_INFO, "no application");
}

static void main_thread(void *arg)
{
	(void)arg;
	breakage_from_cmdline();
	selftest_from_cmdline();
	app_main();
}

void __attribute__((no_stack_protector)) kmain(uint64_t start_info)
{
	boot_tsc = rdtsc();
	console_init();
	pvh_read(start_info);
	desc_init();
	paging_init();
	region_init();
	trace_init();
	clock_init();
	stack_guard_init();
	apic_init();
	heap_init();
	threads_init();
	klog(UNIOBS_LEVEL_NOTICE, "demo unikernel: %lu MiB below 4 GiB, TSC %u kHz, cmdline: %s",
	     ram_top() >> 20, tsc_khz, cmdline());
	thread_create("main", main_thread, NULL, 32768);
	uniobs_set_state(UNIOBS_STATE_RUNNING, 0);
	apic_timer_start(TICK_HZ);
	threads_start();
}
