#include "dispatcher/job.h"

#include "core/clock.h"

void job_end(struct job *job, enum job_state state)
{
    job->state = state;
    job->judged_ms = clock_ms();
    job->flight->done(job->flight->arg, job);
}
