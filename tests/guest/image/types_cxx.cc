// Shapes of C++ for tests of typed access.
#include <cstdint>

struct base { int b; virtual ~base() {} };
struct second { long shared; int s2; };
namespace sched {
enum class state : unsigned char { waiting = 1, running = 2, last = 255 };
class thread : public base, public second {
public:
	struct attr { char name[16]; struct deep { short d; } deep; };
	int shared;			// hides second's
	attr _attr;
	state _state;
	thread *&link;
	static thread *current;
	static constexpr int limit = 3;
	explicit thread(thread *&l) : shared(7), _attr{{'m', 'a', 'i', 'n'}, {-8}}, _state(state::running), link(l) {
		b = 1; second::shared = 2; s2 = 3;
	}
};
thread *thread::current;
template <typename T> struct box { T value; box<T> *next; };
}
struct virtually : virtual second { int v; };

// Two of a name; this unit only declares the one that the pointer is of.
struct later { int wrong; };
namespace sched { struct later; later *make(); }
sched::later *pending;
later known;
namespace { int hidden = 4; }
namespace sched { sched::thread main_thread(thread::current); box<sched::box<int>> boxed = {{5, nullptr}, nullptr}; }
sched::thread::attr spare = {{'s'}, {2}};
virtually object;
extern "C" void checkpoint(void) { __asm__ volatile("" ::: "memory"); }

int main()
{
	sched::thread::current = &sched::main_thread;
	object.v = hidden;
	pending = sched::make();
	checkpoint();
	return 0;
}
