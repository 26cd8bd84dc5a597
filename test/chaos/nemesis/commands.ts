/** What a nemesis says to brokers, whatever the lay-out. */
import type { Redis } from 'ioredis'

const QUEUE_KEYS = '{wazo-ws}:token-expiry:*'

/** The client's side of the broker's connections of the ingests gets an exception on its consuming channel. */
export const CLOSE_CONSUMING_CHANNELS = `
  Error = rabbit_misc:amqp_error(precondition_failed, "chaos", [], none),
  [begin
    I = rabbit_channel:info(P, [connection, number, consumer_count]),
    C = proplists:get_value(connection, I),
    Own = lists:keyfind(<<"connection_name">>, 1, element(2, hd(rabbit_reader:info(C, [client_properties])))),
    case (proplists:get_value(consumer_count, I) > 0) and (Own =:= false) of
      true -> C ! {channel_exit, proplists:get_value(number, I), Error};
      false -> ok
    end
  end || P <- rabbit_channel:list_local()].`

/** Ends all connections of clients. */
export async function killClients(redis: Redis): Promise<void> {
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}

/** Removes BullMQ's queue. */
export async function wipeQueue(redis: Redis): Promise<void> {
  const names = await redis.keys(QUEUE_KEYS)
  if (names.length > 0) await redis.del(...names)
}
