import { defaultConfigFile } from '@wazo-websocketd/shared/config/default-file'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'chai'
import { parse } from 'yaml'
import { editorSchema } from '../support/reference-page/editor-schema.js'

describe('docs/config.schema.json', () => {
  const valid = new Ajv2020({ strict: false, allErrors: true }).compile(JSON.parse(editorSchema()) as object)

  it('takes the file of all defaults', () => {
    expect(valid(parse(defaultConfigFile())), JSON.stringify(valid.errors)).to.equal(true)
  })

  for (const [what, file] of Object.entries({
    'a key of no section': { prot: 9502 },
    'a key of a section': { websocket: { prot: 9502 } },
    'a port that is none': { websocket: { port: 70_000 } },
    'a flag that is a number': { console: { enabled: 7 } },
    'a TLS setting that is unknown': { redis: { tls: { verfy: true } } },
  }))
    it(`marks ${what}`, () => {
      expect(valid(file)).to.equal(false)
    })

  it('tells what each key means', () => {
    expect(editorSchema().match(/"description": ".+"/g)).to.have.length.above(100)
  })
})
