-- The columns of outbox.message that claim_columns.sql and outbox.standing need.
        id, queue_pos, lane, attempts, created_at, expires_at, recipient, app, environment, idempotency_key,
        user_id, category, notification_id, device_id, template_id, payload
