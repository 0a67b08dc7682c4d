import assert from "node:assert/strict";
import { installCNI } from "../../../src/node/install_cni.ts";

/** A host's directories and an image's plugins, in a temporary directory. */
async function inHost(
  action: (host: {
    readonly path: string;
    install: (config?: string) => ReturnType<typeof installCNI>;
  }) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${path}/image`);
    await Deno.writeTextFile(`${path}/image/bridge`, "bridge 2");
    await Deno.writeTextFile(`${path}/image/portmap`, "portmap 2");
    await Deno.mkdir(`${path}/image/folder`);
    const install = (config = "{}\n") =>
      installCNI({
        plugins: `${path}/image`,
        binDirectory: `${path}/opt/cni/bin`,
        configDirectory: `${path}/etc/cni/net.d`,
        configName: "10-kilo.conflist",
        config,
      });
    await action({ path, install });
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("installCNI() makes the directories, the plugins and a configuration", async () => {
  await inHost(async ({ path, install }) => {
    const { done, warnings } = await install('{"name":"kilo"}\n');
    assert.equal(done.length, 3);
    assert.deepEqual(warnings, []);
    assert.equal(await Deno.readTextFile(`${path}/opt/cni/bin/bridge`), "bridge 2");
    assert.equal((await Deno.stat(`${path}/opt/cni/bin/bridge`)).mode! & 0o777, 0o755);
    const config = `${path}/etc/cni/net.d/10-kilo.conflist`;
    assert.equal(await Deno.readTextFile(config), '{"name":"kilo"}\n');
    assert.equal((await Deno.stat(config)).mode! & 0o777, 0o644);
  });
});

Deno.test("installCNI() does nothing the second time, and replaces only what differs", async () => {
  await inHost(async ({ path, install }) => {
    await install();
    const before = await Deno.stat(`${path}/opt/cni/bin/portmap`);
    assert.deepEqual(await install("another\n"), { done: [], warnings: [] });
    await Deno.writeTextFile(`${path}/opt/cni/bin/bridge`, "bridge 1");
    await Deno.writeTextFile(`${path}/opt/cni/bin/foreign`, "of somebody else");
    const { done } = await install();
    assert.deepEqual(done, [`${path}/opt/cni/bin/bridge is installed`]);
    assert.equal((await Deno.stat(`${path}/opt/cni/bin/portmap`)).ino, before.ino);
    const names = Array.from(Deno.readDirSync(`${path}/opt/cni/bin`), ({ name }) => name).sort();
    assert.deepEqual(names, ["bridge", "foreign", "portmap"], "nothing half-written is left");
  });
});

Deno.test("installCNI() makes a plugin executable that is not", async () => {
  await inHost(async ({ path, install }) => {
    await install();
    await Deno.chmod(`${path}/opt/cni/bin/bridge`, 0o600);
    assert.equal((await install()).done.length, 1);
    assert.equal((await Deno.stat(`${path}/opt/cni/bin/bridge`)).mode! & 0o777, 0o755);
  });
});

Deno.test("installCNI() leaves a plugin that runs as it is until the new one is whole", async () => {
  await inHost(async ({ path, install }) => {
    await Deno.mkdir(`${path}/opt/cni/bin`, { recursive: true });
    await Deno.copyFile("/bin/sleep", `${path}/opt/cni/bin/bridge`);
    await using running = new Deno.Command(`${path}/opt/cni/bin/bridge`, { args: ["60"] }).spawn();
    await install(); // written in place this would be "text file busy"
    assert.equal(await Deno.readTextFile(`${path}/opt/cni/bin/bridge`), "bridge 2");
    running.kill();
  });
});

Deno.test("installCNI() keeps others' configurations, and warns of one that sorts before ours", async () => {
  await inHost(async ({ path, install }) => {
    const directory = `${path}/etc/cni/net.d`;
    await Deno.mkdir(directory, { recursive: true });
    for (const name of ["05-other.conflist", "87-podman.conflist", "00-readme.txt"]) {
      await Deno.writeTextFile(`${directory}/${name}`, name);
    }
    const { warnings } = await install();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /05-other\.conflist sorts before 10-kilo\.conflist/);
    assert.equal(await Deno.readTextFile(`${directory}/05-other.conflist`), "05-other.conflist");
    assert.equal(await Deno.readTextFile(`${directory}/87-podman.conflist`), "87-podman.conflist");
  });
});

Deno.test("installCNI() names the directory it cannot read or write", async () => {
  await inHost(async ({ path, install }) => {
    await Deno.remove(`${path}/image`, { recursive: true });
    await assert.rejects(install(), /plugins cannot be listed.*image/);
    await Deno.mkdir(`${path}/image`);
    await Deno.remove(`${path}/opt`, { recursive: true });
    await Deno.writeTextFile(`${path}/opt`, "a file");
    await assert.rejects(install(), /opt/);
  });
});
