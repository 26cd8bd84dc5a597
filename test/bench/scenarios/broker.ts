import type { Bench } from './scenario.js'

/** How many queues, channels and bindings the broker has for `sessions` sessions. */
export async function broker({ stage, figures }: Bench, sessions: number): Promise<void> {
  const vhost = decodeURIComponent(new URL(stage.cluster.amqpUrl).pathname.slice(1))
  const lines = async (...args: readonly string[]) => {
    const text = await stage.rabbit.ctl(...args)
    return text.split('\n').filter((line) => line.trim() !== '').length
  }
  const queues = await lines('list_queues', '-p', vhost, 'name')
  const bindings = await lines('list_bindings', '-p', vhost)
  const channels = await lines('list_channels', 'name')
  figures.add('broker', `${sessions} sessions`, { queues, channels, bindings })
}
