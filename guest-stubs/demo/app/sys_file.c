/* sys_file.c - the file calls, over the file system in memory, and sleeping. */
#include "calls.h"
#include "fd.h"
#include "syscalls.h"

#include <lwip/errno.h>

#define FILE_TYPE (1u << FD_FILE)

static int64_t open_file(const char *path, int flags)
{
	struct descriptor *d;
	struct file *file;
	int result = ramfs_open(path, flags, &file);
	int fd;

	if (result < 0)
		return result;
	fd = fd_new(FD_FILE);
	if (fd < 0) {
		ramfs_release(file);
		return fd;
	}
	d = fd_get(fd, FILE_TYPE);
	d->file = file;
	d->flags = flags;
	strlcpy(d->path, path, sizeof(d->path));
	fd_show_file(fd);
	return fd;
}

int sys_open(const char *path, int flags, unsigned mode)
{
	struct call c;

	call_begin(&c, flags & O_CREAT ? CALL_OPEN_CREATE : CALL_OPEN);
	call_in_path(&c, path);
	call_in(&c, (uint64_t)flags);
	if (flags & O_CREAT)
		call_in(&c, mode);
	call_enter(&c);
	return (int)call_exit(&c, open_file(path, flags));
}

int sys_fstat(int fd, uint64_t *size)
{
	struct descriptor *d = fd_get(fd, FILE_TYPE);
	struct call c;

	call_begin(&c, CALL_FSTAT);
	call_in(&c, (uint64_t)fd);
	call_enter(&c);
	if (!d)
		return (int)call_exit(&c, -EBADF);
	*size = ramfs_size(d->file);
	call_out(&c, *size);
	return (int)call_exit(&c, 0);
}

int64_t sys_read(int fd, void *buf, size_t count)
{
	struct descriptor *d = fd_get(fd, FILE_TYPE);
	struct call c;
	int64_t ret = -EBADF;

	call_begin(&c, CALL_READ);
	call_in(&c, (uint64_t)fd);
	call_in(&c, count);
	call_enter(&c);
	if (d && (d->flags & O_ACCMODE) != O_WRONLY) {
		ret = ramfs_read(d->file, d->position, buf, count);
		d->position += (uint32_t)ret;
		d->read += (uint64_t)ret;
		fd_show_file(fd);
		call_out_bytes(&c, buf, (uint32_t)ret);
	}
	return call_exit(&c, ret);
}

int64_t sys_write(int fd, const void *buf, size_t count)
{
	struct descriptor *d = fd_get(fd, FILE_TYPE);
	struct call c;
	int64_t ret = -EBADF;

	call_begin(&c, CALL_WRITE);
	call_in(&c, (uint64_t)fd);
	call_in_bytes(&c, buf, (uint32_t)count);
	call_in(&c, count);
	call_enter(&c);
	if (d && (d->flags & O_ACCMODE) != O_RDONLY)
		ret = ramfs_write(d->file, d->position, buf, count);
	if (ret > 0) {
		d->position += (uint32_t)ret;
		d->written += (uint64_t)ret;
		fd_show_file(fd);
	}
	return call_exit(&c, ret);
}

int sys_unlink(const char *path)
{
	struct call c;

	call_begin(&c, CALL_UNLINK);
	call_in_path(&c, path);
	call_enter(&c);
	return (int)call_exit(&c, ramfs_unlink(path));
}

int sys_nanosleep(uint64_t ns)
{
	struct call c;

	call_begin(&c, CALL_NANOSLEEP);
	call_in(&c, ns);
	call_in(&c, 0); /* no pointer to the remaining time: nothing interrupts a sleep */
	call_enter(&c);
	sleep_ms((uint32_t)((ns + 999999) / 1000000));
	return (int)call_exit(&c, 0);
}
