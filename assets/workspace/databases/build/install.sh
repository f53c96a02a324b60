#!/bin/sh
# Clients of databases; no server.
# shellcheck source=SCRIPTDIR/../../common/lib.sh
. /opt/workspace/build/common/lib.sh
packages sqlite3 sqlitebrowser postgresql-client mariadb-client redis-tools
tidy
