/* ramfs.c - files in memory. One lock; a file that is unlinked while open lives until it's closed. */
#include "ramfs.h"

#include <lwip/errno.h>

#define FILES 256u

struct file {
	char path[RAMFS_PATH_MAX + 1]; /* "" = has no name (any more) */
	uint8_t *data;
	uint32_t size, capacity, open;
	bool used;
};

static struct file files[FILES];
static struct mutex lock;

void ramfs_init(void)
{
	mutex_init(&lock, "ramfs");
}

static struct file *find(const char *path)
{
	unsigned i;

	for (i = 0; i < FILES; i++)
		if (files[i].used && strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

static struct file *create(const char *path)
{
	unsigned i;

	for (i = 0; i < FILES; i++)
		if (!files[i].used) {
			memset(&files[i], 0, sizeof(files[i]));
			strlcpy(files[i].path, path, sizeof(files[i].path));
			files[i].used = true;
			return &files[i];
		}
	return NULL;
}

static void drop_if_unused(struct file *file)
{
	if (file->open || file->path[0])
		return;
	kfree(file->data);
	file->data = NULL;
	file->used = false;
}

static int open_locked(const char *path, int flags, struct file **out)
{
	struct file *file = find(path);

	if (file && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (!file && !(flags & O_CREAT))
		return -ENOENT;
	if (!file)
		file = create(path);
	if (!file)
		return -ENOSPC;
	if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY)
		file->size = 0;
	file->open++;
	*out = file;
	return 0;
}

int ramfs_open(const char *path, int flags, struct file **out)
{
	int result;

	if (!path[0])
		return -ENOENT;
	if (strlen(path) > RAMFS_PATH_MAX)
		return -ENAMETOOLONG;
	mutex_lock(&lock);
	result = open_locked(path, flags, out);
	mutex_unlock(&lock);
	return result;
}

void ramfs_release(struct file *file)
{
	mutex_lock(&lock);
	file->open--;
	drop_if_unused(file);
	mutex_unlock(&lock);
}

int64_t ramfs_read(struct file *file, uint32_t at, void *to, size_t size)
{
	mutex_lock(&lock);
	if (at >= file->size)
		size = 0;
	else if (size > file->size - at)
		size = file->size - at;
	memcpy(to, file->data + at, size);
	mutex_unlock(&lock);
	return (int64_t)size;
}

/* Make room for `need` bytes; the caller holds the lock. */
static bool grow(struct file *file, uint32_t need)
{
	uint32_t capacity = file->capacity ? file->capacity : 64;
	uint8_t *data;

	if (need <= file->capacity)
		return true;
	while (capacity < need)
		capacity *= 2;
	data = kmalloc(capacity);
	if (!data)
		return false;
	memcpy(data, file->data, file->size);
	kfree(file->data);
	file->data = data;
	file->capacity = capacity;
	return true;
}

static int64_t write_locked(struct file *file, uint32_t at, const void *from, size_t size)
{
	uint32_t end;

	if (at > RAMFS_FILE_MAX || size > RAMFS_FILE_MAX - at)
		return -EFBIG;
	end = at + (uint32_t)size;
	if (!grow(file, end))
		return -ENOSPC;
	if (at > file->size)
		memset(file->data + file->size, 0, at - file->size);
	memcpy(file->data + at, from, size);
	if (end > file->size)
		file->size = end;
	return (int64_t)size;
}

int64_t ramfs_write(struct file *file, uint32_t at, const void *from, size_t size)
{
	int64_t result;

	mutex_lock(&lock);
	result = write_locked(file, at, from, size);
	mutex_unlock(&lock);
	return result;
}

uint32_t ramfs_size(struct file *file)
{
	return file->size;
}

int ramfs_unlink(const char *path)
{
	struct file *file;

	mutex_lock(&lock);
	file = path[0] ? find(path) : NULL;
	if (file) {
		file->path[0] = '\0';
		drop_if_unused(file);
	}
	mutex_unlock(&lock);
	return file ? 0 : -ENOENT;
}

uint32_t ramfs_count(void)
{
	uint32_t i, n = 0;

	mutex_lock(&lock);
	for (i = 0; i < FILES; i++)
		n += files[i].used && files[i].path[0];
	mutex_unlock(&lock);
	return n;
}
