/* Processor time and memory of processes, from /proc. */
#ifndef PGOUTBOX_BENCH_PROC_H
#define PGOUTBOX_BENCH_PROC_H

#include <stdint.h>

/* Processor time used so far, in microseconds, of a process; 0 when there is none. */
double proc_cpu_us(int64_t pid);
/* The same of a process, its children, and those children that have ended; without one of them. */
double proc_tree_cpu_us(int64_t pid, int64_t except);
int64_t proc_parent(int64_t pid);
/* Largest resident size so far in KiB; 0 when there is no such process. */
int64_t proc_peak_kib(int64_t pid);

#endif
