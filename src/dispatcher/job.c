#include "dispatcher/job.h"

#include "core/clock.h"
#include "dispatcher/mail_files.h"

void job_end(struct job *job, enum job_state state)
{
    mail_files_free(job->files);
    job->files = NULL;
    job->message.files = NULL;
    job->state = state;
    job->judged_ms = clock_ms();
    job->flight->done(job->flight->arg, job);
}
