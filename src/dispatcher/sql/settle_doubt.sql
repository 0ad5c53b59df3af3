-- Parameters: 1 message, 2 turn, 3 dispatcher, 4 verdict, 5 provider, 6 provider id, 7 reason, 8 cost, 9 currency.
SELECT outbox.settle_doubt(
    message_id => $1::bigint, turn => $2::timestamptz, dispatcher => $3::int, verdict => $4, provider => $5,
    provider_id => $6, reason => $7, cost => $8::numeric, currency => $9)
