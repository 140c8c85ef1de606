# Makes a tree of everything a tar can hold, in the current directory. With "plain" as argument,
# only what the oldest formats can hold too.
set -eu
mkdir -p dir/empty
printf 'content\n' > dir/file
: > dir/none
head -c 513 /dev/zero | tr '\0' x > dir/513
head -c 100000 /dev/urandom > dir/random
ln dir/file dir/hardlink
ln -s ../target dir/symlink
mkfifo dir/fifo
chmod 2755 dir/empty
chmod 4711 dir/random
chmod 0600 dir/513
touch -d @1000000000 dir/none
if [ "$(id -u)" = 0 ]; then
    chown 1234:2345 dir/none
fi
if [ "${1-}" = plain ]; then
    exit
fi

long=$(printf 'n%.0s' $(seq 150))
mkdir -p "$long/$long"
printf x > "$long/$long/file"
ln "$long/$long/file" "$long/$long/hardlink"
ln -s "$(printf 't%.0s' $(seq 300))" "$long/symlink"
printf x > "$(printf 'new\nline')"
printf x > ' spaces '
printf x > 'back\slash'
printf x > größe
printf x > "$(printf 'latin\351')"
chmod 1777 dir
touch -d '1969-12-31 23:59:58.25 UTC' dir/513
touch -d '1901-01-01 UTC' dir/empty
touch -d '2200-01-01 00:00:00.000000001 UTC' dir/random
touch -h -d @1.5 dir/symlink

# Holes: none at the ends, at both ends, in many places, everywhere.
truncate -s 3000000 holes-at-ends
printf middle | dd of=holes-at-ends bs=1 seek=1000000 conv=notrunc status=none
for number in $(seq 0 60); do
    printf "piece $number" | dd of=many-holes bs=65536 seek="$number" conv=notrunc status=none
done
truncate -s 5000000 all-hole
printf start > hole-within
printf end | dd of=hole-within bs=1 seek=2000001 conv=notrunc status=none

setfattr -n user.text -v value dir/file
setfattr -n user.empty dir/file
setfattr -n user.binary -v 0x000a0d3d0a3220613d620aff dir/none
setfattr -n 'user.a=b' -v c dir/none
setfattr -n user.large -v "0x$(head -c 3000 /dev/urandom | od -An -tx1 | tr -d ' \n')" dir/513
setfacl -m u:12345:rw,g:54321:x dir/random
setfacl -d -m u:12345:rwx dir/empty
if [ "$(id -u)" = 0 ]; then
    mknod null c 1 3
    mknod large b 4000 1000000
    chown 3000000000:4000000000 hole-within
    setcap cap_net_raw+ep hole-within
    setfattr -n trusted.overlay.opaque -v y dir
    setfattr -h -n trusted.of.link -v 1 dir/symlink
fi
