-- Who may do what. Functions are named without their arguments: no two have the same name.

REVOKE ALL ON ALL ROUTINES IN SCHEMA outbox FROM PUBLIC;
GRANT USAGE ON SCHEMA outbox
    TO outbox_producer, outbox_dispatcher, outbox_scheduler, outbox_reader, outbox_admin;

-- ---- Producers: services ----

-- RETURNING id, and ON CONFLICT (idempotency_key), need the right to read these two columns.
GRANT INSERT (channel, lane, app, recipient, payload, idempotency_key, send_at, expires_at, user_id, category,
              environment), SELECT (id, idempotency_key) ON outbox.message TO outbox_producer;
GRANT INSERT (user_id, category, template, variables, channels, fallback, fallback_after, lane, idempotency_key,
              send_at, expires_at), SELECT (id, idempotency_key) ON outbox.notification TO outbox_producer;
GRANT EXECUTE ON FUNCTION
    outbox.send, outbox.cancel, outbox.notify, outbox.cancel_notification, outbox.preview, outbox.record_receipt,
    outbox.register_device, outbox.retire_device, outbox.set_contact, outbox.set_quiet_hours, outbox.set_preference,
    outbox.stop_user, outbox.resume_user
    TO outbox_producer;

-- The triggers on message and notification have the rights of whoever inserts.
GRANT SELECT (id, name) ON outbox.channel TO outbox_producer;
GRANT SELECT (name) ON outbox.category TO outbox_producer;
GRANT SELECT (id, kind, key) ON outbox.used_key TO outbox_producer;
GRANT USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_producer;
GRANT EXECUTE ON FUNCTION outbox.why_refused, outbox.wake, outbox.ring, outbox.note_arrival TO outbox_producer;

-- ---- Dispatchers, and the scheduler, which settles what a lost one left ----

GRANT SELECT, UPDATE (status, queue_pos, next_attempt_at, sent_at, finished_at, attempts, provider,
                      provider_message_id, last_error, cost, currency)
    ON outbox.message TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT ON outbox.channel, outbox.provider, outbox.settings, outbox.category, outbox.contact, outbox.device,
    outbox.preference, outbox.history
    TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT ON outbox.attempt, outbox.suppression, outbox.provider_message
    TO outbox_dispatcher, outbox_scheduler;
GRANT INSERT ON outbox.change TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON outbox.dispatcher, outbox.flight, outbox.flight_note, outbox.queue, outbox.doubt
    TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT, UPDATE ON outbox.server TO outbox_dispatcher, outbox_scheduler;
GRANT UPDATE (retired_at, retired_reason) ON outbox.device TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_dispatcher, outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.message_uuid, outbox.next_queue_pos, outbox.wake, outbox.ring, outbox.backoff, outbox.quiet_end,
    outbox.standing, outbox.settle, outbox.settle_unsent, outbox.keep_provider_ids, outbox.follow_addresses,
    outbox.retire_addresses, outbox.server_seen_at, outbox.recover_flight, outbox.recover_flights,
    outbox.settle_late, outbox.raise_low_water, outbox.next_due, outbox.moment, outbox.plausible
    TO outbox_dispatcher, outbox_scheduler;
GRANT EXECUTE ON FUNCTION outbox.note_moves, outbox.request_audit TO outbox_dispatcher, outbox_scheduler;

-- ---- Dispatchers alone ----

GRANT SELECT ON outbox.template TO outbox_dispatcher;
GRANT SELECT, INSERT, UPDATE ON outbox.provider_state TO outbox_dispatcher;
GRANT EXECUTE ON FUNCTION
    outbox.register_dispatcher, outbox.reattach_dispatcher, outbox.unregister_dispatcher, outbox.find_template,
    outbox.lease_budget, outbox.report_provider, outbox.stop_provider, outbox.take_doubt, outbox.is_surely_unsent,
    outbox.settle_doubt
    TO outbox_dispatcher;

-- ---- The scheduler alone ----

GRANT DELETE ON outbox.message, outbox.attempt, outbox.provider_message TO outbox_scheduler;
GRANT SELECT, INSERT, DELETE ON outbox.notification TO outbox_scheduler;
GRANT UPDATE (fallback_at) ON outbox.notification TO outbox_scheduler; -- to lock a row
GRANT SELECT, UPDATE (next_fire_at, error) ON outbox.schedule TO outbox_scheduler;
GRANT SELECT, INSERT, UPDATE ON outbox.firing TO outbox_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.frequency, outbox.walk, outbox.leaving TO outbox_scheduler;
GRANT SELECT, INSERT, DELETE ON outbox.audience_block, outbox.used_key, outbox.queue_history TO outbox_scheduler;
GRANT INSERT ON outbox.archive, outbox.notification_archive TO outbox_scheduler;
GRANT SELECT, DELETE ON outbox.receipt, outbox.provider_state TO outbox_scheduler;
GRANT SELECT ON outbox.partitions, outbox.archive, outbox.message_id_seq, outbox.change_id_seq TO outbox_scheduler;
GRANT SELECT, DELETE ON outbox.change TO outbox_scheduler;
GRANT SELECT, UPDATE ON outbox.ledger_mark TO outbox_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.accepted, outbox.ledger, outbox.ledger_block TO outbox_scheduler;
GRANT SELECT, UPDATE ON outbox.audit_run TO outbox_scheduler;
GRANT SELECT, INSERT, DELETE ON outbox.audit_finding, outbox.audit_request TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.release_due, outbox.release, outbox.expand_due, outbox.fall_back_due, outbox.match_receipts,
    outbox.audience_query, outbox.fire_due, outbox.cancel_firing, outbox.gather_audience, outbox.expand_block,
    outbox.expand_audience,
    outbox.make_partition, outbox.drop_partitions, outbox.drop_old_days, outbox.forget_keys,
    outbox.running_transactions, outbox.take_leaving, outbox.begin_walk, outbox.end_walk, outbox.move_messages,
    outbox.move_notifications, outbox.visit_rows, outbox.archive_rows, outbox.archive_finished,
    outbox.archive_notifications,
    outbox.expire_messages, outbox.expire_waiting, outbox.measure_queue, outbox.snapshot_queues,
    outbox.forget_unknown_timezones,
    outbox.tick_ledger, outbox.count_accepted, outbox.fold_changes, outbox.fold_ledger,
    outbox.report_finding, outbox.compare_block, outbox.audit_ledger, outbox.audit_waiting, outbox.audit_archive,
    outbox.audit_rest, outbox.may_wait, outbox.audit_step
    TO outbox_scheduler;

-- ---- Readers: people and monitors ----

GRANT SELECT ON
    outbox.delivery, outbox.notification_status, outbox.schedule_status, outbox.queue_stats, outbox.in_the_air,
    outbox.provider_health, outbox.health, outbox.partitions, outbox.conservation, outbox.queue_depth,
    outbox.audit_run, outbox.audit_finding, outbox.audit_request,
    outbox.attempt, outbox.suppression, outbox.doubt, outbox.receipt, outbox.queue_history,
    outbox.notification, outbox.schedule, outbox.firing, outbox.archive, outbox.notification_archive,
    outbox.channel, outbox.provider_state, outbox.provider_budget, outbox.provider_share,
    outbox.settings, outbox.category, outbox.contact, outbox.device, outbox.preference,
    outbox.template, outbox.partial, outbox.history
    TO outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.message_uuid, outbox.check_health, outbox.find_template, outbox.preview
    TO outbox_reader;

-- ---- What several call with their own values: languages, time zones and cron ----

GRANT EXECUTE ON FUNCTION outbox.normal_locale, outbox.locale_chain
    TO outbox_producer, outbox_dispatcher, outbox_scheduler, outbox_reader;
GRANT EXECUTE ON FUNCTION
    outbox.use_timezone, outbox.clock_change, outbox.local_instant, outbox.cron_field, outbox.cron_fields,
    outbox.cron_day, outbox.cron_minute, outbox.cron_next, outbox.cron_check
    TO outbox_producer, outbox_scheduler, outbox_reader;

-- ---- Administrators: everything, and so the duties of the scheduler, too, by hand ----

GRANT ALL ON ALL TABLES IN SCHEMA outbox TO outbox_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO outbox_admin;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA outbox TO outbox_admin;
-- Without its row nobody has a time zone.
REVOKE ALL ON outbox.settings FROM outbox_admin;
GRANT SELECT, UPDATE ON outbox.settings TO outbox_admin;
