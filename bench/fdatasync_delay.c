/* Preloaded into a process: a disk that takes two milliseconds longer to say that it has written.
 *
 * Fast local disks hide what a commit strategy costs; network disks do not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

#define DELAY_NANOSECONDS 2000000L

static int delayed(const char *name, int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec delay = {0, DELAY_NANOSECONDS};
    nanosleep(&delay, 0);
    return real(descriptor);
}

int fdatasync(int descriptor) { return delayed("fdatasync", descriptor); }
int fsync(int descriptor) { return delayed("fsync", descriptor); }
