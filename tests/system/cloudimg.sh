#!/bin/bash
# A Debian cloud-init image runs a job as our own small image does (docs/guest.md). Apart from `make check`: making the
# image takes minutes and 1.5 GB of packages' and disk's space; it is kept in the build directory. Needs root for
# mmdebstrap's files.
# limit: 1800
# shellcheck disable=SC2016 # payloads expand in the guest
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
gwvm=$BUILD/libexec/gwvm
image=$BUILD/cloudimg.qcow2

# Two partitions: FAT with syslinux, the kernel and Debian's own initramfs; ext4 with the system.
make_image() {
    local boot_kib=98304 root_kib=1310720 start=2048 modules
    modules='printf "virtio_pci\nvirtio_blk\next4\n" >>"$1/etc/initramfs-tools/modules"'
    mmdebstrap --quiet --variant=minbase \
        --include=linux-image-cloud-amd64,initramfs-tools,systemd-sysv,udev,cloud-init \
        --essential-hook='mkdir -p "$1/etc/initramfs-tools"' \
        --customize-hook="$modules" \
        --customize-hook='echo "LABEL=gwroot / ext4 defaults 0 1" >"$1/etc/fstab"' \
        --customize-hook='echo "datasource_list: [ NoCloud, None ]" >"$1/etc/cloud/cloud.cfg.d/90_gw.cfg"' \
        --customize-hook='chroot "$1" update-initramfs -u' \
        bookworm root || return 1
    cat >syslinux.cfg <<EOF
DEFAULT debian
PROMPT 0
LABEL debian
 KERNEL vmlinuz
 INITRD initrd.img
 APPEND root=LABEL=gwroot ro console=ttyS0 quiet
EOF
    truncate -s ${boot_kib}K boot
    mkfs.vfat -h $start boot >/dev/null &&
        mcopy -i boot syslinux.cfg ::syslinux.cfg &&
        mcopy -i boot root/boot/vmlinuz-* ::vmlinuz &&
        mcopy -i boot root/boot/initrd.img-* ::initrd.img &&
        syslinux --install boot || return 1
    mke2fs -q -F -t ext4 -L gwroot -d root system ${root_kib}k || return 1
    truncate -s $((start / 2 + boot_kib + root_kib))K disk
    printf 'label: dos\n%d,%d,c,*\n%d,,83\n' $start $((boot_kib * 2)) $((start + boot_kib * 2)) |
        sfdisk -q disk || return 1
    dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk conv=notrunc bs=440 count=1 status=none &&
        dd if=boot of=disk conv=notrunc,sparse bs=1M seek=$((start / 2048)) status=none &&
        dd if=system of=disk conv=notrunc,sparse bs=1M seek=$((start / 2048 + boot_kib / 1024)) status=none || return 1
    qemu-img convert -f raw -O qcow2 disk "$image.new" && mv "$image.new" "$image"
}

if [ ! -e "$image" ] && [ "$(id -u)" != 0 ]; then
    t_skip "a Debian cloud-init image runs a job" "only root can make one with mmdebstrap"
    t_done
fi
[ -e "$image" ] || make_image >make.log 2>&1 || {
    t_not_ok "a Debian cloud-init image is made" "$(tail -n 30 make.log)"
    t_done
}
rm -rf root boot system disk
t_ok "a Debian cloud-init image is made"

token=$(cat /proc/sys/kernel/random/uuid).1.1.0.1
mkdir job
cd job || exit 1
cat >vm.conf <<EOF
TOKEN = $token
NAME = cloudimg
UUID = $(cat /proc/sys/kernel/random/uuid)
URI = qemu:///session
IMAGE = $image
CPUS = 1
MEMORY_MIB = 512
DISK = 134217728
RESULT_BYTES = 16777216
EXECUTABLE = ./payload
INPUT = in.txt
OUTPUT = out.txt
WALLTIME_S = 600
BOOT_TIMEOUT_S = 600
EOF
printf '#!/bin/sh\n. /etc/os-release; echo "$ID $1"; tr a-z A-Z <in.txt >out.txt; pwd >&2; exit 7\n' >payload
chmod +x payload
echo "set -- 'an argument'" >job.env
echo input >in.txt
SECONDS=0
"$gwvm" run 2>gwvm.log
t_equal "a job in it gives its exit code" "exited 7" \
    "$(sed -n 's/^STATE=//p' status) $(sed -n 's/^EXIT_CODE=//p' status)"
[ "$(sed -n 's/^STATE=//p' status)" = exited ] || tail -n 20 status console.log gwvm.log | sed 's/^/    /'
t_equal "... its standard output" "debian an argument" "$(cat stdout.execution)"
t_equal "... its output file" INPUT "$(cat out/out.txt)"
t_equal "... and worked on its scratch disk" /gw/disk0/job "$(cat stderr.execution)"
echo "    $SECONDS s from start to end"
t_done
