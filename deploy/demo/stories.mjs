/**
 * What happens in the demo. Each story is a generator of steps: a pause in milliseconds, or an event (name,
 * options) for `createStory`. Pure: time passes and events go out elsewhere.
 */

const CHAT = ['Hello!', 'Are you free at ten?', 'Yes, in the small room.', 'Perfect, see you there.']

function* answeredCall(random) {
  yield ['call_created']
  yield ['call_created', { asPeer: true }]
  yield pause(random, 1500)
  yield ['call_answered']
  yield ['call_answered', { asPeer: true }]
  yield ['chatd_presence_updated', { data: { line_state: 'talking' } }]
  yield pause(random, 2500)
  if (random() < 0.4) {
    yield ['call_held']
    yield ['call_updated']
    yield pause(random, 1500)
  }
  yield ['call_ended']
  yield ['call_ended', { asPeer: true }]
  yield ['chatd_presence_updated', { data: { line_state: 'available', lines: [] } }]
  yield pause(random, 400)
  yield ['call_log_user_created']
}

function* missedCall(random) {
  yield ['call_created', { asPeer: true }]
  yield pause(random, 2500)
  yield ['user_missed_call', { asPeer: true }]
  yield ['call_ended', { asPeer: true }]
  yield pause(random, 2000)
  yield ['user_voicemail_message_created', { asPeer: true }]
}

function* transferredCall(random) {
  yield ['call_created']
  yield pause(random, 1000)
  yield ['call_answered']
  yield pause(random, 1500)
  yield ['transfer_created']
  yield pause(random, 1500)
  yield ['call_parked']
  yield ['call_ended']
}

function* chat(random) {
  yield ['chatd_user_room_created']
  yield ['chatd_user_room_created', { asPeer: true }]
  for (const content of CHAT) {
    yield pause(random, 1800)
    yield ['chatd_user_room_message_created', { data: { content } }]
    yield ['chatd_user_room_message_created', { asPeer: true, data: { content } }]
  }
}

function* agentShift(random) {
  yield ['user_agent_queue_logged_in']
  yield ['agent_status_update']
  yield pause(random, 2500)
  yield ['agent_paused']
  yield pause(random, 2500)
  yield ['agent_paused', { data: { paused: false, paused_reason: '' } }]
}

function* presence(random) {
  yield ['chatd_presence_updated', { data: { state: 'away' } }]
  yield ['users_services_dnd_updated']
  yield pause(random, 1500)
  yield ['users_forwards_unconditional_updated']
  yield pause(random, 3000)
  yield ['users_services_dnd_updated', { data: { enabled: false } }]
  yield ['chatd_presence_updated', { data: { state: 'available' } }]
}

function* switchboard(random) {
  yield ['switchboard_member_user_associated']
  yield pause(random, 1000)
  yield ['switchboard_queued_calls_updated']
  yield pause(random, 2500)
  yield ['switchboard_queued_calls_updated', { data: { items: [] } }]
}

function* meeting(random) {
  yield ['conference_participant_joined']
  yield pause(random, 1200)
  yield ['conference_participant_joined', { asPeer: true }]
  yield pause(random, 1200)
  yield ['meeting_user_participant_joined']
}

function* administration(random) {
  yield ['user_created']
  yield pause(random, 1200)
  yield ['queue_created']
  yield ['queue_member_agent_associated']
  yield pause(random, 1200)
  yield ['line_status_updated']
  yield ['trunk_status_updated']
}

function* messages(random) {
  yield ['global_voicemail_message_created']
  yield pause(random, 1500)
  yield ['fax_outbound_user_created']
}

/** Events without a tenant, which only the master tenant sees. */
function* service(random) {
  yield ['QueueMemberStatus']
  yield pause(random, 900)
  yield ['QueueMemberStatus', { data: { Paused: '1' } }]
  yield ['registrar_created']
}

/** wazo-auth publishes on the older exchange, xivo. The session that ends is not one of the demo's readers. */
function* session(random) {
  yield ['auth_session_created']
  yield pause(random, 1500)
  yield ['auth_user_external_auth_added']
  yield ['auth_session_expire_soon']
  yield pause(random, 2000)
  yield ['auth_session_deleted']
}

function* newTenant() {
  yield ['auth_tenant_added']
}

/** Every story with its share (a whole number); the first ones open the demo. */
export const STORIES = [
  { share: 6, tell: answeredCall },
  { share: 4, tell: chat },
  { share: 2, tell: missedCall },
  { share: 3, tell: presence },
  { share: 1, tell: transferredCall },
  { share: 2, tell: agentShift },
  { share: 2, tell: switchboard },
  { share: 1, tell: meeting },
  { share: 1, tell: administration },
  { share: 1, tell: messages },
  { share: 1, tell: service },
  { share: 2, tell: session },
  { share: 1, tell: newTenant },
]

/**
 * Stories without end: a shuffled deck in which each is as often as its share says, then another one. So none
 * waits for long.
 * @param {() => number} random from 0 to 1
 */
export function* shuffledStories(random) {
  for (;;) {
    const deck = STORIES.flatMap(({ share, tell }) => new Array(share).fill(tell))
    while (deck.length > 0) yield deck.splice(Math.floor(random() * deck.length), 1)[0]
  }
}

/** About `ms`: half to one and a half of it. */
function pause(random, ms) {
  return Math.round(ms * (0.5 + random()))
}
