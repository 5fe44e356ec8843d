/* A standing clock. Preloaded into a process, it answers what the file named by STANDING_CLOCK holds:
 * seconds since 1970, as the machine writes them. While that is zero, the real time is answered.
 * Clocks that measure durations go on. Rust calls clock_gettime only.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *told;

__attribute__((constructor)) static void find(void) {
    const char *path = getenv("STANDING_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *seconds = mmap(NULL, sizeof *told, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (seconds != MAP_FAILED) told = seconds;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int64_t seconds = told ? *told : 0;
    if (seconds && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        now->tv_sec = seconds;
        now->tv_nsec = 0;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, which, now);
}
