-- Parameters: 1 provider, 2 dispatcher, 3 wanted, 4 unused, 5 in flight.
SELECT tokens, slots, ceil(extract(epoch FROM more_in) * 1000)::bigint AS more_in_ms
FROM outbox.lease_budget(
    provider => $1, dispatcher => $2::int, wanted => $3::int, unused => $4::int, in_flight => $5::int)
