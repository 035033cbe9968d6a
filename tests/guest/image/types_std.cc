// Containers of the standard library, for tests of typed access.
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

struct thread { int id; std::string name; };

std::vector<int> numbers = {3, 1, 4, 1, 5};
std::vector<thread *> pointers;
std::vector<std::string> empty;
std::list<thread> threads;
std::list<char> letters = {'a', 'b', 'c'};
std::unordered_map<unsigned, thread *> by_id;
std::unordered_map<std::string, long> cached;
std::unordered_set<int> chosen;
std::map<int, std::string> ordered;
std::set<long> longs;
std::string brief = "brief", lengthy(40, 'z'), none;
std::unique_ptr<thread> only;
std::shared_ptr<thread> shared;
std::atomic<thread *> current;
std::atomic<int> counter{17};
std::atomic<bool> flag{true};

extern "C" __attribute__((noinline)) void checkpoint(void) { __asm__ volatile("" ::: "memory"); }

int main()
{
	for (int i = 0; i < 20; i++) {
		threads.push_back({i, "thread " + std::to_string(i) + (i == 7 ? " with a name that is quite long" : "")});
		pointers.push_back(&threads.back());
		by_id[100 + i] = &threads.back();
		cached["key" + std::to_string(i)] = -i;
		chosen.insert(i * i);
		ordered[50 - i] = std::to_string(i);
		longs.insert((i * 7) % 20);
	}
	only.reset(new thread{77, "only"});
	shared = std::make_shared<thread>(thread{78, "shared"});
	current = &threads.back();
	checkpoint();
	return 0;
}
