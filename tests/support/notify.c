#include "support/notify.h"

struct db_session *notify_start(void)
{
    struct db_session *db = pg_case_session();
    pg_exec(
        db,
        "INSERT INTO outbox.template (name, channel, locale, content) VALUES "
        "('t', 'ios', 'default', '{\"body\": \"{{a}}\"}'), ('t', 'ios', 'ko', '{\"body\": \"{{a}}!\"}'), "
        "('t', 'android', 'default', '{\"body\": \"hello\"}'), "
        "('t', 'web', 'default', '{\"body\": \"hello\"}'), "
        "('t', 'email', 'default', '{\"subject\": \"{{a}}\", \"text\": \"{{b.c}}\"}'), "
        "('t', 'sms', 'default', '{\"text\": \"{{s}}\"}'), "
        "('push', 'ios', 'default', '{\"body\": \"hello\"}');"
        "UPDATE outbox.category SET quiet_from = NULL, quiet_until = NULL;"
        "INSERT INTO outbox.category (name) VALUES ('news');"
        "SELECT outbox.register_device('u', 'ios', repeat('a', 64), locale => 'ko-KR'), "
        "outbox.register_device('u', 'android', repeat('d', 64), app => 'com.example'), "
        "outbox.register_device('u', 'ios', repeat('b', 64), locale => 'fr', environment => 'sandbox'), "
        "outbox.register_device('u', 'web', '{\"endpoint\":\"https://push.example\",\"keys\":{\"p256dh\":\"' "
        "|| repeat('a', 87) || '\",\"auth\":\"' || repeat('a', 22) || '\"}}'), "
        "outbox.set_contact('u', email => 'u@example.com', phone => '+821000000000'), "
        "outbox.set_contact('m', email => 'm@example.com')");
    pg_guard_transitions(db);
    return db;
}
