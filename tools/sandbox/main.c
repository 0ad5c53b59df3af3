/* outbox-sandbox: a local stand-in for push, mail and SMS providers. wire/ carries the octets, vendors/
 * accepts and answers as each vendor does, store/ keeps what arrived, view/ shows it; here they are tied
 * together. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/options.h"
#include "sandbox/setup.h"
#include "sandbox/store/sms_log.h"
#include "sandbox/vendors/apns.h"
#include "sandbox/vendors/fcm.h"
#include "sandbox/vendors/mailbox.h"
#include "sandbox/vendors/vendors.h"
#include "sandbox/vendors/web.h"
#include "sandbox/view/view.h"
#include "sandbox/wire/http_server.h"
#include "sandbox/wire/listener.h"
#include "sandbox/wire/smtp_server.h"

static const char usage[] =
    "usage: outbox-sandbox --dir=DIR [OPTION...]\n"
    "\n"
    "A local stand-in for APNs, FCM, a mail server and the vendors with HTTP interfaces of their own (Web\n"
    "Push, webhooks, SMS, mail), over real TLS on 127.0.0.1, that shows what arrived. DIR gets the keys and\n"
    "passwords that clients need and, once everything listens, the file 'env' with shell assignments:\n"
    "OUTBOX_SANDBOX_URL (a page for people; /stats, /arrivals, /repeats and /ids for programs), _APNS_URL,\n"
    "_FCM_URL, _SMTP_URL (STARTTLS), _SMTPS_URL, _VENDORS_URL, _CA and _DIR. What DIR holds already is\n"
    "used again. The SMTP user is '" MAILBOX_USER "'. SIGTERM stops.\n"
    "\n"
    "DIR/vendor.secret is the password, key or token of every vendor. Their accounts: twilio\n" TWILIO_ACCOUNT
    ", vonage " VONAGE_KEY ", aws " AWS_KEY " in " AWS_REGION ",\n"
    "solapi " SOLAPI_KEY ", sens " SENS_KEY " with service " SENS_SERVICE ", nhn " NHN_KEY ",\n"
    "mailgun " MAILGUN_DOMAIN ". GET /subscription?name=NAME of the page's port gives a Web Push\n"
    "subscription, the same each time. A webhook's URL is /hook/NAME of the vendors' port; its signing key\n"
    "is the secret as it stands.\n"
    "The file DIR/SELECTOR._domainkey.DOMAIN.txt stands for that TXT record: with it a mail over SMTP shows\n"
    "whether its DKIM signatures are good.\n"
    "\n"
    "A device token, an address before its '@' or a NAME that starts with fa17CCCCNN, or a phone number\n"
    "that starts with +999CCCCNN, misbehaves at the first NN arrivals (00 = always). CCCC is 0001 slow,\n"
    "0002 no answer, 0003 reset, 0004 GOAWAY before it, 0005 cut after it, 0006 garbage, 0007 refused,\n"
    "0008 GOAWAY after it, 0009 cut before it was read, or a status that is answered: 0400 0403 0410 0413\n"
    "0429 0500 0503, for vendors also 0401 0404, for SMTP 0421 0450 0451 0452 0550 0552 0554.\n";

enum { STREAMS_MAX = 100000, CONNECTIONS_MAX = 4096, HTTP_STREAMS = 1000 };

struct sandbox {
    struct loop *loop;
    struct store *store;
    struct setup setup;
    SSL_CTX *apns_tls, *http_tls, *smtp_tls;
    struct apns *apns;
    struct fcm fcm;
    struct mailbox mailbox;
    struct smtp_server smtp;
    struct vendors vendors;
    struct view view;
    struct http_server apns_http, fcm_http, vendors_http, view_http;
    struct connection_count view_connections, vendors_connections;
    struct listener *http_listener, *apns_listener, *fcm_listener, *smtp_listener, *smtps_listener,
        *vendors_listener;
};

struct settings {
    const char *dir;
    const char *topic;
    int64_t http_port, apns_port, fcm_port, smtp_port, smtps_port, vendors_port;
    int64_t streams, first_streams, token_updates;
};

static void on_signal(void *arg, int signal_number)
{
    log_event(LOG_INFO, "stopping", log_int("signal", signal_number));
    loop_stop(arg);
}

static bool open_tls(struct sandbox *sandbox, struct error *err)
{
    static const struct alpn h2_only = {"\x02h2", false};
    static const struct alpn h2_or_http1 = {"\x02h2\x08http/1.1", true};
    const struct authority *authority = &sandbox->setup.authority;
    sandbox->apns_tls = authority_tls(authority, &h2_only, err);
    sandbox->http_tls = sandbox->apns_tls ? authority_tls(authority, &h2_or_http1, err) : NULL;
    sandbox->smtp_tls = sandbox->http_tls ? authority_tls(authority, NULL, err) : NULL;
    return sandbox->smtp_tls != NULL;
}

static void open_services(struct sandbox *sandbox, const struct settings *settings)
{
    struct loop *loop = sandbox->loop;
    sandbox->apns = apns_new(&(struct apns_options){.store = sandbox->store,
                                                    .key = sandbox->setup.apns_key,
                                                    .topic = settings->topic,
                                                    .token_updates = settings->token_updates});
    sandbox->fcm.store = sandbox->store;
    sandbox->fcm.key = sandbox->setup.service_key;
    sandbox->mailbox = (struct mailbox){.store = sandbox->store, .directory = &sandbox->setup.directory};
    sandbox->smtp = (struct smtp_server){.loop = loop,
                                         .tls = sandbox->smtp_tls,
                                         .user = MAILBOX_USER,
                                         .password = buf_string(&sandbox->setup.password),
                                         .service = &mailbox_service,
                                         .arg = &sandbox->mailbox};
    sandbox->vendors.store = sandbox->store;
    sandbox->vendors.secret = buf_string(&sandbox->setup.secret);
    sandbox->vendors.web = web_vapid_new();
    sandbox->vendors.sms = sms_log_new();
    sandbox->view =
        (struct view){.store = sandbox->store, .apns = sandbox->apns, .vendors = &sandbox->vendors};
    sandbox->apns_http = (struct http_server){.loop = loop,
                                              .service = &apns_service,
                                              .arg = sandbox->apns,
                                              .first_streams = (int)settings->first_streams,
                                              .streams = (int)settings->streams};
    sandbox->fcm_http = (struct http_server){.loop = loop,
                                             .service = &fcm_service,
                                             .arg = &sandbox->fcm,
                                             .http1 = true,
                                             .first_streams = HTTP_STREAMS,
                                             .streams = HTTP_STREAMS};
    sandbox->vendors_http = (struct http_server){.loop = loop,
                                                 .service = &vendors_service,
                                                 .arg = &sandbox->vendors,
                                                 .http1 = true,
                                                 .first_streams = HTTP_STREAMS,
                                                 .streams = HTTP_STREAMS};
    sandbox->view_http =
        (struct http_server){.loop = loop, .service = &view_service, .arg = &sandbox->view, .http1 = true};
}

static struct connection_count *connections(struct sandbox *sandbox, enum channel channel)
{
    return &store_stats(sandbox->store, channel)->connections;
}

static bool open_listeners(struct sandbox *sandbox, const struct settings *settings, struct error *err)
{
    const struct {
        struct listener **listener;
        int64_t port;
        SSL_CTX *tls;
        struct connection_count *count;
        void (*accepted)(void *, struct wire *);
        void *arg;
    } all[] = {
        {&sandbox->http_listener, settings->http_port, NULL, &sandbox->view_connections, http_server_accepted,
         &sandbox->view_http},
        {&sandbox->apns_listener, settings->apns_port, sandbox->apns_tls, connections(sandbox, CHANNEL_APNS),
         http_server_accepted, &sandbox->apns_http},
        {&sandbox->fcm_listener, settings->fcm_port, sandbox->http_tls, connections(sandbox, CHANNEL_FCM),
         http_server_accepted, &sandbox->fcm_http},
        {&sandbox->smtp_listener, settings->smtp_port, NULL, connections(sandbox, CHANNEL_SMTP),
         smtp_server_accepted, &sandbox->smtp},
        {&sandbox->smtps_listener, settings->smtps_port, sandbox->smtp_tls,
         connections(sandbox, CHANNEL_SMTP), smtp_server_accepted, &sandbox->smtp},
        {&sandbox->vendors_listener, settings->vendors_port, sandbox->http_tls, &sandbox->vendors_connections,
         http_server_accepted, &sandbox->vendors_http},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        *all[i].listener = listener_new(&(struct listener_options){.loop = sandbox->loop,
                                                                   .port = (int)all[i].port,
                                                                   .tls = all[i].tls,
                                                                   .max_connections = CONNECTIONS_MAX,
                                                                   .count = all[i].count,
                                                                   .accepted = all[i].accepted,
                                                                   .arg = all[i].arg},
                                        err);
        if (!*all[i].listener)
            return false;
    }
    return true;
}

static bool announce(struct sandbox *sandbox, struct error *err)
{
    const struct ports ports = {.http = listener_port(sandbox->http_listener),
                                .apns = listener_port(sandbox->apns_listener),
                                .fcm = listener_port(sandbox->fcm_listener),
                                .smtp = listener_port(sandbox->smtp_listener),
                                .smtps = listener_port(sandbox->smtps_listener),
                                .vendors = listener_port(sandbox->vendors_listener)};
    snprintf(sandbox->vendors.origin, sizeof(sandbox->vendors.origin), "https://127.0.0.1:%d", ports.vendors);
    snprintf(sandbox->fcm.token_uri, sizeof(sandbox->fcm.token_uri), "https://127.0.0.1:%d/token", ports.fcm);
    if (!setup_write_account(&sandbox->setup, sandbox->fcm.token_uri, err) ||
        !setup_write_env(&sandbox->setup, &ports, err))
        return false;
    log_event(LOG_INFO, "ready", log_int("http_port", ports.http), log_int("apns_port", ports.apns),
              log_int("fcm_port", ports.fcm), log_int("smtp_port", ports.smtp),
              log_int("smtps_port", ports.smtps), log_int("vendors_port", ports.vendors));
    return true;
}

static void close_all(struct sandbox *sandbox)
{
    listener_free(sandbox->http_listener);
    listener_free(sandbox->apns_listener);
    listener_free(sandbox->fcm_listener);
    listener_free(sandbox->smtp_listener);
    listener_free(sandbox->smtps_listener);
    listener_free(sandbox->vendors_listener);
    http_server_clear(&sandbox->apns_http);
    http_server_clear(&sandbox->fcm_http);
    http_server_clear(&sandbox->vendors_http);
    http_server_clear(&sandbox->view_http);
    apns_free(sandbox->apns);
    web_vapid_free(sandbox->vendors.web);
    sms_log_free(sandbox->vendors.sms);
    SSL_CTX_free(sandbox->apns_tls);
    SSL_CTX_free(sandbox->http_tls);
    SSL_CTX_free(sandbox->smtp_tls);
    setup_close(&sandbox->setup);
    store_free(sandbox->store);
    loop_free(sandbox->loop);
    mem_free(sandbox);
}

static int run(const struct settings *settings)
{
    struct error err;
    struct sandbox *sandbox = mem_alloc(sizeof(*sandbox));
    sandbox->loop = loop_new();
    sandbox->store = store_new();
    loop_on_signal(sandbox->loop, SIGTERM, on_signal, sandbox->loop);
    loop_on_signal(sandbox->loop, SIGINT, on_signal, sandbox->loop);

    bool opened = setup_open(&sandbox->setup, settings->dir, &err) && open_tls(sandbox, &err);
    if (opened) {
        open_services(sandbox, settings);
        opened = open_listeners(sandbox, settings, &err) && announce(sandbox, &err);
    }
    if (opened)
        loop_run(sandbox->loop);
    else
        log_event(LOG_ERROR, "start_failed", log_text("reason", err.text));
    close_all(sandbox);
    return opened ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    const struct option_spec options[] = {
        {.name = "dir",
         .argument = "DIR",
         .text = &settings.dir,
         .help = "Directory of keys and of 'env'; made unless it is there. Required."},
        {.name = "http-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.http_port,
         .help = "Port of the page; 0 = any free one, here and below."},
        {.name = "apns-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.apns_port,
         .help = "Port of APNs."},
        {.name = "fcm-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.fcm_port,
         .help = "Port of FCM and of its token endpoint."},
        {.name = "smtp-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.smtp_port,
         .help = "Port of SMTP with STARTTLS."},
        {.name = "smtps-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.smtps_port,
         .help = "Port of SMTP within TLS."},
        {.name = "vendors-port",
         .argument = "PORT",
         .fallback = "0",
         .max = 65535,
         .number = &settings.vendors_port,
         .help = "Port of all vendors with an HTTP interface of their own."},
        {.name = "apns-topic",
         .argument = "TOPIC",
         .fallback = "com.example.app",
         .text = &settings.topic,
         .help = "The app's bundle id."},
        {.name = "apns-streams",
         .argument = "NUMBER",
         .fallback = "1000",
         .min = 1,
         .max = STREAMS_MAX,
         .number = &settings.streams,
         .help = "Concurrent streams of an APNs connection that showed a valid token."},
        {.name = "apns-first-streams",
         .argument = "NUMBER",
         .fallback = "1",
         .min = 1,
         .max = STREAMS_MAX,
         .number = &settings.first_streams,
         .help = "Concurrent streams before that."},
        {.name = "apns-token-updates",
         .argument = "NUMBER",
         .fallback = "3",
         .min = 1,
         .max = 64,
         .number = &settings.token_updates,
         .help = "Different provider tokens a team may use within 20 minutes."},
        {0}};
    struct error err;
    log_setup("outbox-sandbox", LOG_INFO);
    if (!options_parse(argc, argv, usage, options, NULL, &err) ||
        (!settings.dir && !error_set(&err, "--dir is required"))) {
        log_event(LOG_ERROR, "bad_usage", log_text("reason", err.text));
        return EXIT_USAGE;
    }
    umask(S_IRWXG | S_IRWXO);
    signal(SIGPIPE, SIG_IGN);
    return run(&settings);
}
