-- Parameters: 1 message, 2 turn, 3 dispatcher, 4 verdict, 5 provider, 6 provider id, 7 reason, 8 providers that
-- were asked, 9 cost, 10 currency.
SELECT outbox.settle_doubt(
    message_id => $1::bigint, turn => $2::bigint, dispatcher => $3::int, verdict => $4, provider => $5,
    provider_id => $6, reason => $7, asked => $8::text[], cost => $9::numeric, currency => $10)
