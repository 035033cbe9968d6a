// What the other unit declares.
namespace sched {
struct later { long right; };
static later made = {5};
later *make() { return &made; }
}
