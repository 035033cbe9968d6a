/* ramfs.h - files in memory: a flat set of paths. Results are counts or -errno. */
#ifndef DEMO_RAMFS_H
#define DEMO_RAMFS_H

#include "kernel.h"

#define RAMFS_PATH_MAX 47u          /* fits the region's socket row */
#define RAMFS_FILE_MAX (256u * 1024u)

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_ACCMODE 3
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000

struct file;

void ramfs_init(void);
int ramfs_open(const char *path, int flags, struct file **out);
void ramfs_release(struct file *file);
int64_t ramfs_read(struct file *file, uint32_t at, void *to, size_t size);
int64_t ramfs_write(struct file *file, uint32_t at, const void *from, size_t size);
uint32_t ramfs_size(struct file *file);
int ramfs_unlink(const char *path);
uint32_t ramfs_count(void);

#endif
