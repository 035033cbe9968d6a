/* Another unit: what the first only declares, names that both use, lists and trees. */
#include <stdint.h>
#include <stddef.h>
#include <sys/queue.h>

#define MEMBER second
#define NUMBER float
#include "types_shapes.h"

struct opaque { int secret; struct opaque *next; };
struct item {
	int id;
	TAILQ_ENTRY(item) tailq;
	STAILQ_ENTRY(item) stailq;
	SLIST_ENTRY(item) slist;
	LIST_ENTRY(item) list;
	struct item *next;
	struct ring { struct ring *prev, *next; } ring;
	struct node { uintptr_t parent_color; struct node *c[2]; } node;
};
TAILQ_HEAD(tailq_head, item);
STAILQ_HEAD(stailq_head, item);
SLIST_HEAD(slist_head, item);
LIST_HEAD(list_head, item);

int elsewhere[4] = {100, 200, 300, 400};
static volatile int shared = 22;
static volatile int doubled = 2;
struct tailq_head tailq;
struct stailq_head stailq;
struct slist_head slist;
struct list_head list;
struct renamed renamed_there = {3};
number_t number_there = 4;
struct item *chain, *cyclic;
struct ring ring, empty_ring;
struct node *tree;
struct item items[8];
static struct opaque opaque = {1234, &opaque};

struct opaque *make_opaque(void)
{
	shared += 0;
	doubled += 0;
	return &opaque;
}

static struct node *grow(int low, int high, struct node *parent)
{
	if (low > high)
		return NULL;
	int middle = (low + high) / 2;
	struct node *node = &items[middle].node;
	node->parent_color = (uintptr_t)parent | (middle & 1);
	node->c[0] = grow(low, middle - 1, node);
	node->c[1] = grow(middle + 1, high, node);
	return node;
}

void build_lists(void)
{
	TAILQ_INIT(&tailq);
	STAILQ_INIT(&stailq);
	ring.prev = ring.next = &ring;
	empty_ring.prev = empty_ring.next = &empty_ring;
	for (int i = 0; i < 8; i++) {
		struct item *item = &items[i];
		item->id = 10 * i;
		TAILQ_INSERT_TAIL(&tailq, item, tailq);
		STAILQ_INSERT_TAIL(&stailq, item, stailq);
		SLIST_INSERT_HEAD(&slist, item, slist);
		LIST_INSERT_HEAD(&list, item, list);
		item->next = chain;
		chain = item;
		item->ring.prev = ring.prev;
		item->ring.next = &ring;
		ring.prev->next = &item->ring;
		ring.prev = &item->ring;
	}
	tree = grow(0, 7, NULL);
}
