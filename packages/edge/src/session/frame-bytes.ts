/** How many bytes of frames a worker has made: the same bytes, for however many sockets, count once. Both only rise. */
export class FrameBytes {
  made = 0
  /** Those of them that were made before the frames which wait to be written now. */
  flushed = 0
}
