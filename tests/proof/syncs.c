/* Preloaded into the daemon: writes down what each fsync and fdatasync in one directory tree has made durable.
 *
 * SYNCS_ROOT is the tree, SYNCS_OUT the directory for what is seen there. Each sync is a number: the file OUT/<number>
 * keeps the bytes of a regular file that was synced, and lines are appended to OUT/log:
 *
 *   S <number> <inode>           a sync that has returned
 *   D <number> <inode>           a directory of the tree, as it is at that moment
 *   E <number> <inode> <kind> <name>   an entry of the directory before it; kind is d or f
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long count;

static int is_inside(int fd, const char *root)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    size_t size = strlen(root);
    return !strncmp(path, root, size) && (path[size] == '/' || !path[size]);
}

static void keep(int fd, const char *out, unsigned long number)
{
    char path[PATH_MAX], link[64], buffer[1 << 16];
    snprintf(path, sizeof path, "%s/%lu", out, number);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* it may have been opened for writing only */
    int from = open(link, O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t got;
    while (from >= 0 && to >= 0 && (got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, got) != got)
            abort();
    close(from);
    close(to);
}

static void list(FILE *log, const char *path, unsigned long number)
{
    struct stat facts;
    DIR *directory = opendir(path);
    if (!directory)
        return;
    if (!stat(path, &facts))
        fprintf(log, "D %lu %lu\n", number, (unsigned long)facts.st_ino);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && !fstatat(dirfd(directory), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW))
            fprintf(log, "E %lu %lu %c %s\n", number, (unsigned long)facts.st_ino, S_ISDIR(facts.st_mode) ? 'd' : 'f', entry->d_name);
    rewinddir(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char below[PATH_MAX];
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && !lstat(below, &facts) && S_ISDIR(facts.st_mode))
            list(log, below, number);
    }
    closedir(directory);
}

static int watched(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *root = getenv("SYNCS_ROOT"), *out = getenv("SYNCS_OUT");
    struct stat facts;
    if (!root || !out || !is_inside(fd, root))
        return real(fd);
    pthread_mutex_lock(&lock);
    int status = real(fd);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", out);
    FILE *log = fopen(path, "ae");
    if (!status && log && !fstat(fd, &facts)) {
        unsigned long number = ++count;
        if (S_ISREG(facts.st_mode))
            keep(fd, out, number);
        list(log, root, number);
        fprintf(log, "S %lu %lu\n", number, (unsigned long)facts.st_ino); /* last: whoever reads this has all of it */
    }
    if (log)
        fclose(log);
    pthread_mutex_unlock(&lock);
    return status;
}

int fsync(int fd) { return watched(fd, "fsync"); }
int fdatasync(int fd) { return watched(fd, "fdatasync"); }
