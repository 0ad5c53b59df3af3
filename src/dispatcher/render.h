/* Claimed rows become messages: the payload is read, by its template if it has one. */
#ifndef PGOUTBOX_DISPATCHER_RENDER_H
#define PGOUTBOX_DISPATCHER_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "db/db.h"
#include "dispatcher/claim.h"
#include "dispatcher/job.h"
#include "dispatcher/template_cache.h"

/* Gives the jobs their templates. False: some are not in the cache; their ids (bigint[], each perhaps several
 * times) are in missing. */
bool render_find_templates(struct claimed *claimed, struct template_cache *cache, struct buf *missing);

/* Puts the rows of read_templates.sql into the cache. */
void render_read_templates(const struct db_result *result, struct template_cache *cache);

/* Renders: the payload becomes an object, by the template if there is one. JOB_CLAIMED stays so unless the
 * job is judged here, because its payload cannot be read or rendered. */
void render_job(struct job *job, int64_t now_ms);

#endif
