/* Several names of one function or variable, as C libraries have them: one is public, the others begin with
   underscores. */
int __shop_counter = 3;
extern int counter __attribute__((weak, alias("__shop_counter")));

__attribute__((noinline)) int __libc_take(int number)
{
	__asm__ volatile("nop");
	return number + __shop_counter;
}
extern __typeof(__libc_take) __take __attribute__((alias("__libc_take")));
extern __typeof(__libc_take) take __attribute__((weak, alias("__libc_take")));

/* no other name of the first: they may be two functions that a linker folded into one */
__attribute__((noinline)) int __alone(int number)
{
	__asm__ volatile("nop; nop");
	return number - __shop_counter;
}
extern __typeof(__alone) other __attribute__((weak, alias("__alone")));

int main(void)
{
	return take(1) + __alone(2) + counter;
}
