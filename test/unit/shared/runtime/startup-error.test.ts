import { describeSystemError, isMissing } from '@wazo-websocketd/shared/runtime/system-error'
import { listenError, messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'

const coded = (code: string) => Object.assign(new Error(`listen ${code}`), { code })

describe('an error at the start', () => {
  it('of a port in use names address and keys', () => {
    const error = listenError(coded('EADDRINUSE'), '127.0.0.1', 9502, 'websocket.listen or websocket.port')
    expect(error.message).to.equal(
      'cannot listen on 127.0.0.1:9502: in use by another program; change websocket.listen or websocket.port or end that program',
    )
    expect(error.status).to.equal(1)
  })

  it('of an address of another machine, or a port for root, says so', () => {
    expect(listenError(coded('EADDRNOTAVAIL'), '192.0.2.1', 1, 'k').message).to.include(
      'not an address of this machine',
    )
    expect(listenError(coded('EACCES'), '::1', 80, 'k').message).to.include('[::1]:80: permission denied')
  })

  it('of any other kind keeps its message', () => {
    expect(listenError(coded('EMFILE'), 'h', 1, 'k').message).to.equal(
      'cannot listen on h:1 (k): listen EMFILE',
    )
  })

  it('is one line whatever was thrown', () => {
    expect(messageOf(new Error('a\n  b'))).to.equal('a b')
    expect(messageOf('text')).to.equal('text')
  })

  it('of the file system is told in words', () => {
    expect(
      ['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR'].map((code) => describeSystemError(coded(code))),
    ).to.deep.equal(['no such file', 'permission denied', 'is a directory, not a file', 'is not a directory'])
    expect(describeSystemError(coded('EIO'))).to.equal('listen EIO')
    expect(describeSystemError('x')).to.equal('x')
    expect(isMissing(coded('ENOENT'))).to.equal(true)
    expect(isMissing(coded('EACCES'))).to.equal(false)
  })
})
