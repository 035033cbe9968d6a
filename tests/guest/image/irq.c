/* A push that the call tables know nothing of. */
volatile long sink;

static inline long flags(void)
{
	long f;

	__asm__ volatile("pushfq; popq %0" : "=r"(f));
	return f;
}

__attribute__((noinline)) long masked(long a)
{
	long f = flags();

	sink += a;
	return f;
}

__attribute__((noinline)) long outer(long a)
{
	return masked(a) + sink;
}

int main(int argc, char **argv)
{
	(void)argv;
	return outer(argc) == 42;
}
