/* flatten.c - overlapping intervals laid flat: where several hold an address, the last in order does. */
#include "builder.h"

#include <stdlib.h>

static int by_start(const void *left, const void *right)
{
	const struct interval *a = left, *b = right;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int by_number(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void add(pieces_t *pieces, uint64_t start, uint32_t number)
{
	if (pieces->count && pieces->item[pieces->count - 1].start == start)
		pieces->count--; /* nothing lay between */
	if (pieces->count ? pieces->item[pieces->count - 1].number == number : number == NOTHING)
		return;
	ADD(*pieces, (struct piece){ start, number });
}

static void push(uint32_t *heap, size_t *count, uint32_t index)
{
	size_t at = (*count)++;

	for (; at && heap[(at - 1) / 2] < index; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = index;
}

static void pop(uint32_t *heap, size_t *count)
{
	const uint32_t index = heap[--*count];
	size_t at = 0;

	for (size_t child; (child = 2 * at + 1) < *count; at = child) {
		if (child + 1 < *count && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= index)
			break;
		heap[at] = heap[child];
	}
	heap[at] = index;
}

static void sweep(const intervals_t *intervals, pieces_t *pieces)
{
	const struct interval *item = intervals->item;
	const size_t count = intervals->count;
	uint64_t *bounds = need(2 * count, sizeof(*bounds));
	uint32_t *heap = need(count, sizeof(*heap));
	size_t next = 0, held = 0;

	for (size_t i = 0; i < count; i++) {
		bounds[2 * i] = item[i].low;
		bounds[2 * i + 1] = item[i].high;
	}
	qsort(bounds, 2 * count, sizeof(*bounds), by_number);
	for (size_t i = 0; i < 2 * count; i++) {
		const uint64_t at = bounds[i];

		while (next < count && item[next].low <= at)
			push(heap, &held, (uint32_t)next++);
		while (held && item[heap[0]].high <= at)
			pop(heap, &held);
		add(pieces, at, held ? item[heap[0]].number : NOTHING);
	}
	free(heap);
	free(bounds);
}

void flatten(intervals_t *intervals, pieces_t *pieces)
{
	struct interval *item = intervals->item;
	bool sorted = true, apart = true;

	pieces->count = 0;
	work(4 * intervals->count);
	for (size_t i = 1; i < intervals->count && sorted; i++)
		sorted = by_start(&item[i - 1], &item[i]) <= 0;
	if (!sorted)
		qsort(item, intervals->count, sizeof(*item), by_start);
	for (size_t i = 1; i < intervals->count && apart; i++)
		apart = item[i - 1].high <= item[i].low;
	if (!apart) {
		sweep(intervals, pieces);
		return;
	}
	for (size_t i = 0; i < intervals->count; i++) {
		add(pieces, item[i].low, item[i].number);
		add(pieces, item[i].high, NOTHING);
	}
}
