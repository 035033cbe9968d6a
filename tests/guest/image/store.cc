/* C++ that inlines deeply: templates, lambdas, a local class. */
#include <algorithm>
#include <map>
#include <string>
#include <vector>
#include <cstdio>
#include <memory>
namespace kv { namespace detail {
template <class T> struct Node { T v; std::unique_ptr<Node> next; T sum() const { return v + (next ? next->sum() : T()); } };
struct Store { std::map<std::string,int> m; int get(const std::string &k) { auto it = m.find(k); return it == m.end() ? -1 : it->second; }
  void put(const std::string &k, int v); };
void Store::put(const std::string &k, int v) { struct Local { static int twice(int x) { return x * 2 + (int)std::string("abc").size(); } }; m[k] = Local::twice(v); }
} }
int main(int argc, char **argv) {
  kv::detail::Store s; std::vector<int> v;
  for (int i = 0; i < argc * 10; i++) { s.put(std::to_string(i), i); v.push_back(s.get(std::to_string(i / 2))); }
  std::sort(v.begin(), v.end(), [&](int a, int b) { return a % 7 < b % 7 || (a % 7 == b % 7 && a < b + argc); });
  auto n = std::make_unique<kv::detail::Node<int>>(); n->v = v[0];
  try { s.m.at("x"); } catch (std::exception &e) { puts(e.what()); }
  printf("%d %d\n", v[3], n->sum());
}
