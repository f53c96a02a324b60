//! The tables of the workspaces' screen and of the map of ports.

use super::{
    Intent, Key,
    tables::{BACK, BOTTOM, DOWNS, ENTER, ESC, PAGE_DOWN, PAGE_UP, TAB, TOP, UPS, c, key},
};

pub(super) const WORKSPACES: &[Key] = &[
    key(
        &[ENTER],
        Intent::Enter,
        "open",
        "all that can be done with it: snapshots, undo, recreate, earlier versions",
    ),
    key(&[c('a')], Intent::New, "add", "add a user"),
    key(
        &[c('c')],
        Intent::Change,
        "change",
        "change limits, rights, password and keys of a user",
    ),
    key(
        &[c('s')],
        Intent::Start,
        "start",
        "make and start the workspace; the plan is shown first",
    ),
    key(&[c('S')], Intent::Stop, "stop", "stop it; what is in it stays"),
    key(
        &[c('R')],
        Intent::Restart,
        "restart",
        "start it anew with what was changed, by a plan; with the cursor on a service, that one alone",
    ),
    key(
        &[c('u')],
        Intent::Update,
        "update",
        "make it anew from the image of now; where services do not answer then, the one of before comes back",
    ),
    key(
        &[c('l')],
        Intent::Logs,
        "logs",
        "what the service under the cursor writes, or all of them",
    ),
    key(&[c('e')], Intent::Shell, "shell", "a shell inside, as its user"),
    key(
        &[c('y')],
        Intent::Copy,
        "copy",
        "copy the way to the service under the cursor, to SSH without one",
    ),
    key(
        &[TAB],
        Intent::Next,
        "services",
        "the cursor to the services and folders, and back",
    ),
    key(
        &[c('p')],
        Intent::Ports,
        "ports",
        "the map of all ports, what stands in their way, and what all users come to",
    ),
    key(
        &[c('x')],
        Intent::Toggle,
        "off/on",
        "stop it and keep it from being started; or let it again",
    ),
    key(
        &[c('d')],
        Intent::Delete,
        "remove",
        "remove the user and the container, and keep all data; asks first",
    ),
    key(
        &[c('b')],
        Intent::BuildImage,
        "image",
        "build the image of all workspaces; the plan is shown first",
    ),
    key(
        &[c('o')],
        Intent::Settings,
        "",
        "what is said of all: folder, ports, profiles of the image",
    ),
    key(
        &[c('P')],
        Intent::Passwords,
        "",
        "new passwords for a user; asks first",
    ),
    key(
        &[c('D')],
        Intent::Purge,
        "",
        "remove the user with all data, for ever; asks for the name",
    ),
    key(
        &[c('B')],
        Intent::Backup,
        "backup",
        "write a user's home to an archive; asks where",
    ),
    key(
        &[c('I')],
        Intent::PutBack,
        "",
        "put a user's home back out of an archive; asks which",
    ),
    key(
        &[c('C')],
        Intent::Compose,
        "compose",
        "write a compose file of all workspaces; asks where",
    ),
    key(&[c('r')], Intent::Retry, "", "look at everything again"),
    key(
        &[ESC],
        Intent::Back,
        "",
        "back to the screen before; from the services to the users",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];

pub(super) const PORTS: &[Key] = &[
    BACK,
    key(
        &[c('r')],
        Intent::Retry,
        "look again",
        "look who listens on this machine again",
    ),
    UPS,
    DOWNS,
    PAGE_UP,
    PAGE_DOWN,
    TOP,
    BOTTOM,
];
