import {
  AUTHENTICATION_EXPIRED,
  AUTHENTICATION_FAILED,
  BUS_CONNECTION_LOST,
  GOING_AWAY,
  limitExceeded,
  SERVICE_RESTART,
  TRY_AGAIN_LATER,
  type Close,
} from '@wazo-websocketd/shared/domain/close'

/** The ways in which an operator may end sessions, by code. Each is one that clients know (PROTOCOL.md). */
export const OPERATOR_CLOSES: ReadonlyMap<number, Close> = new Map(
  [
    GOING_AWAY,
    limitExceeded('closed by an operator'),
    BUS_CONNECTION_LOST,
    SERVICE_RESTART,
    TRY_AGAIN_LATER,
    AUTHENTICATION_FAILED,
    AUTHENTICATION_EXPIRED,
  ].map((close) => [close.code, close]),
)
