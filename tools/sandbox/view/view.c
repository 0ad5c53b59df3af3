#include "sandbox/view/view.h"

#include <string.h>

#include "sandbox/store/sms_log.h"
#include "sandbox/vendors/web.h"
#include "sandbox/wire/form.h"

typedef void route_fn(struct view *view, struct exchange *x, const char *query);

static void answer_text(struct exchange *x, int status, const char *text)
{
    buf_text(&x->answer, text);
    http_answer(x, status, "text/plain; charset=utf-8", 0);
}

static void answer_pull(struct exchange *x, struct http_pull *pull, const char *type)
{
    if (!pull) {
        answer_text(x, 400, "bad query\n");
        return;
    }
    x->pull = pull;
    http_answer(x, 200, type, 0);
}

static void on_page(struct view *view, struct exchange *x, const char *query)
{
    (void)view, (void)query;
    http_set_header(x, "content-security-policy",
                    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                    "connect-src 'self'");
    buf_append(&x->answer, page_html, (size_t)(page_html_end - page_html));
    http_answer(x, 200, "text/html; charset=utf-8", 0);
}

static void on_stats(struct view *view, struct exchange *x, const char *query)
{
    (void)query;
    view_json_stats(view->store, &x->answer);
    http_answer(x, 200, "application/json", 0);
}

static void on_arrivals(struct view *view, struct exchange *x, const char *query)
{
    answer_pull(x, view_json_arrivals(view->store, query), "application/json");
}

static void on_repeats(struct view *view, struct exchange *x, const char *query)
{
    (void)query;
    answer_pull(x, view_json_repeats(view->store), "application/json");
}

static void on_ids(struct view *view, struct exchange *x, const char *query)
{
    answer_pull(x, view_json_ids(view->store, query), "text/plain; charset=utf-8");
}

static void on_subscription(struct view *view, struct exchange *x, const char *query)
{
    struct buf name;
    buf_init(&name, VENDOR_NAME_MAX);
    if (form_value(query, "name", &name) && web_subscription(view->vendors, buf_string(&name), &x->answer))
        http_answer(x, 200, "application/json", 0);
    else
        answer_text(x, 400, "bad query\n");
    buf_free(&name);
}

static void on_reset(struct view *view, struct exchange *x, const char *query)
{
    (void)query;
    store_reset(view->store);
    apns_reset(view->apns);
    web_vapid_reset(view->vendors->web);
    sms_log_reset(view->vendors->sms);
    answer_text(x, 200, "forgotten\n");
}

static const struct {
    const char *method;
    const char *path;
    route_fn *run;
} routes[] = {
    {"GET", "/", on_page},           {"GET", "/stats", on_stats}, {"GET", "/arrivals", on_arrivals},
    {"GET", "/repeats", on_repeats}, {"GET", "/ids", on_ids},     {"GET", "/subscription", on_subscription},
    {"POST", "/reset", on_reset}};

static void on_request(void *arg, struct exchange *x)
{
    size_t size = strcspn(x->path, "?");
    const char *query = x->path[size] == '?' ? x->path + size + 1 : "";
    bool path_known = false;
    http_set_header(x, "cache-control", "no-store");
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        if (strlen(routes[i].path) != size || strncmp(routes[i].path, x->path, size) != 0)
            continue;
        path_known = true;
        if (strcmp(routes[i].method, x->method) == 0) {
            routes[i].run(arg, x, query);
            return;
        }
    }
    answer_text(x, path_known ? 405 : 404, path_known ? "method not allowed\n" : "no such page\n");
}

const struct http_service view_service = {.max_body = 4096, .request = on_request};
