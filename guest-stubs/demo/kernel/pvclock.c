/* pvclock.c - KVM's clock: TSC frequency and wall time without PIT or RTC. */
#include "internal.h"

#define MSR_KVM_WALL_CLOCK 0x4b564d00u
#define MSR_KVM_SYSTEM_TIME 0x4b564d01u

struct pvclock_time { uint32_t version, pad; uint64_t tsc, system; uint32_t mul; int8_t shift; uint8_t flags, pad2[2]; };
struct pvclock_wall { uint32_t version, sec, nsec; };

static volatile struct pvclock_time now __attribute__((aligned(64)));
static volatile struct pvclock_wall wall __attribute__((aligned(64)));

bool pvclock_read(uint32_t *khz, uint64_t *wall_ns)
{
	struct cpuid r = cpuid(0x40000000);
	uint64_t f, ns;

	if (!(cpuid(1).c >> 31 & 1) || r.b != 0x4b4d564b || r.c != 0x564b4d56 || r.d != 0x4d)
		return false; /* "KVMKVMKVM" */
	if (!(cpuid(0x40000001).a >> 3 & 1)) /* KVM_FEATURE_CLOCKSOURCE2 */
		return false;
	wrmsr(MSR_KVM_WALL_CLOCK, (uint64_t)&wall);
	wrmsr(MSR_KVM_SYSTEM_TIME, (uint64_t)&now | 1);
	if (now.mul == 0)
		return false;
	/* mul is ns per TSC unit in 32.32 after the shift */
	f = (1000000ull << 32) / now.mul;
	*khz = (uint32_t)(now.shift >= 0 ? f >> now.shift : f << -now.shift);
	ns = rdtsc() - now.tsc;
	ns = now.shift >= 0 ? ns << now.shift : ns >> -now.shift;
	ns = now.system + (uint64_t)(((unsigned __int128)ns * now.mul) >> 32);
	*wall_ns = wall.sec == 0 ? 0 : wall.sec * 1000000000ull + wall.nsec + ns;
	wrmsr(MSR_KVM_SYSTEM_TIME, 0);
	return true;
}
