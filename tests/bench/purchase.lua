-- A purchase as Redis would keep it: the request id, the balance, an entry of the stream.  KEYS: balances, stream, request id; ARGV: points, member.
if not redis.call('SET', KEYS[3], ARGV[1], 'NX') then
	return redis.call('HGET', KEYS[1], ARGV[2])
end
local balance = redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[1])
redis.call('XADD', KEYS[2], '*', 'member', ARGV[2], 'points', ARGV[1], 'balance', balance)
return balance
