/** What the command line, the log and the configuration call this program. */
export const PROGRAM = 'wazo-websocketd-edge'
