/** A package of the incumbent's name and shape, with the files of `test/support/incumbent` as its configuration. */
import { chmod, cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../deploy/debian/run.mjs'

const FILES = fileURLToPath(new URL('../support/incumbent', import.meta.url))
const NAME = 'wazo-websocketd'

/** Files that dpkg asks about where both sides have changed them. Path in the package -> path in `FILES`. */
const CONFFILES = {
  '/etc/wazo-websocketd/config.yml': 'config.yml',
  '/etc/logrotate.d/wazo-websocketd': 'logrotate.d/wazo-websocketd',
  '/etc/nginx/locations/https-available/wazo-websocketd': 'nginx/wazo-websocketd',
}

const UNIT = `[Unit]
Description=a stand-in
[Service]
ExecStart=/usr/bin/${NAME}
[Install]
WantedBy=multi-user.target
`

/** The account, and the link that puts the location to use. */
const POSTINST = `#!/bin/sh
set -e
adduser --quiet --system --group --no-create-home --home /nonexistent ${NAME}
mkdir -p /etc/nginx/locations/https-enabled
ln -sf ../https-available/${NAME} /etc/nginx/locations/https-enabled/${NAME}
`

const CONTROL = `Package: ${NAME}
Version: 24.17~20241209.1
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: adduser
Description: a stand-in
`

/** Builds it in `directory`; returns its path. */
export async function buildDummy(directory: string): Promise<string> {
  const stage = join(directory, 'dummy')
  const write = async (path: string, text: string, mode = 0o644) => {
    await mkdir(dirname(join(stage, path)), { recursive: true })
    await writeFile(join(stage, path), text)
    await chmod(join(stage, path), mode)
  }
  for (const [path, file] of Object.entries(CONFFILES)) {
    await mkdir(dirname(join(stage, path)), { recursive: true })
    await cp(join(FILES, file), join(stage, path))
  }
  await mkdir(join(stage, '/etc/wazo-websocketd/conf.d'))
  await write(`/lib/systemd/system/${NAME}.service`, UNIT)
  for (const program of [NAME, `${NAME}-wait-online`])
    await write(`/usr/bin/${program}`, '#!/bin/sh\nexit 0\n', 0o755)
  await write(`/usr/lib/python3/dist-packages/wazo_websocketd/__init__.py`, '')
  await write('/DEBIAN/control', CONTROL)
  await write('/DEBIAN/conffiles', Object.keys(CONFFILES).join('\n') + '\n')
  await write('/DEBIAN/postinst', POSTINST, 0o755)
  const deb = join(directory, 'incumbent.deb')
  await run('dpkg-deb', ['--root-owner-group', '--build', stage, deb])
  return deb
}
