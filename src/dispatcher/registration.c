#include "dispatcher/registration.h"

#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "statements.h"

enum { REGISTER_AGAIN_MS = 1000 };

struct registration {
    struct registration_events events;
    struct db *db; /* of the present connection */
    char *name;
    char *channels;
    int id; /* 0 = not registered */
    bool attached;
    bool leaving;
    struct timer *again; /* the server refused to register us */
};

struct leaving {
    void (*left)(void *arg);
    void *arg;
};

bool registration_is_attached(const struct registration *registration)
{
    return registration->attached;
}

bool registration_is_leaving(const struct registration *registration)
{
    return registration->leaving;
}

int registration_id(const struct registration *registration)
{
    return registration->id;
}

static void report(const char *event, enum db_status status, const struct db_result *result)
{
    if (status == DB_FAILED)
        log_event(LOG_ERROR, event, log_text("sqlstate", db_sqlstate(result)),
                  log_text("error", db_message(result)));
}

static void on_again(void *arg)
{
    struct registration *registration = arg;
    if (!registration->leaving) /* perhaps to another server */
        db_reconnect(registration->db, "the dispatcher could not be registered");
}

/* Whether the server has done it; what it refused is tried again. */
static bool done(struct registration *registration, const char *event, enum db_status status,
                 const struct db_result *result)
{
    report(event, status, result);
    if (status == DB_FAILED)
        timer_set(registration->again, REGISTER_AGAIN_MS);
    return status == DB_OK;
}

static void attached(struct registration *registration, bool again)
{
    log_event(LOG_INFO, again ? "reattached" : "registered", log_int("dispatcher", registration->id));
    registration->attached = true;
    registration->events.attached(registration->events.arg, again);
}

static void on_registered(void *arg, enum db_status status, const struct db_result *result)
{
    struct registration *registration = arg;
    if (!done(registration, "register_failed", status, result))
        return;
    registration->id = (int)db_int(result, 0, 0);
    attached(registration, false);
}

static void register_anew(struct registration *registration)
{
    char host[256];
    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    db_send(registration->db, &sql_register_dispatcher, 4,
            (const char *const[]){registration->name, host, DB_INT_TEXT(getpid()), registration->channels},
            on_registered, registration);
    db_sync(registration->db);
}

static void on_reattached(void *arg, enum db_status status, const struct db_result *result)
{
    struct registration *registration = arg;
    if (!done(registration, "reattach_failed", status, result))
        return;
    if (db_bool(result, 0, 0))
        attached(registration, true);
    else
        register_anew(registration);
}

void registration_start(struct registration *registration, struct db *db)
{
    registration->db = db;
    if (registration->id == 0) {
        register_anew(registration);
        return;
    }
    db_send(db, &sql_reattach_dispatcher, 1, (const char *const[]){DB_INT_TEXT(registration->id)},
            on_reattached, registration);
    db_sync(db);
}

void registration_lost(struct registration *registration)
{
    registration->attached = false;
    timer_clear(registration->again);
}

static void on_left(void *arg, enum db_status status, const struct db_result *result)
{
    struct leaving *leaving = arg;
    report("unregister_failed", status, result);
    leaving->left(leaving->arg);
    mem_free(leaving);
}

void registration_leave(struct registration *registration, struct db *db, void (*left)(void *arg), void *arg)
{
    struct leaving *leaving = mem_alloc(sizeof *leaving);
    *leaving = (struct leaving){.left = left, .arg = arg};
    registration->leaving = true;
    db_send(db, &sql_unregister_dispatcher, 1, (const char *const[]){DB_INT_TEXT(registration->id)}, on_left,
            leaving);
    db_sync(db);
}

struct registration *registration_new(struct loop *loop, const char *name, const char *channels,
                                      const struct registration_events *events)
{
    struct registration *registration = mem_alloc(sizeof *registration);
    registration->events = *events;
    registration->name = mem_strdup(name);
    registration->channels = mem_strdup(channels);
    registration->again = timer_new(loop, on_again, registration);
    return registration;
}

void registration_free(struct registration *registration)
{
    if (!registration)
        return;
    timer_free(registration->again);
    mem_free(registration->name);
    mem_free(registration->channels);
    mem_free(registration);
}
