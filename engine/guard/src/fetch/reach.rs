//! What an address is by its number.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{Ipv4Net, Ipv6Net};

/// Who may reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A server of the open net.
    Public,
    /// This machine and the networks it is in, or a way there.
    Private,
    /// Nobody: no server has such an address, or one that hands out keys.
    Never,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Never => "never reached",
        })
    }
}

/// Hand out the keys of the machine they are asked from: EC2 and its like, ECS, EKS, Alibaba, Azure
/// (with an address that looks public) and Oracle.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same of EC2, EKS, Google and Scaleway.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

const PRIVATE_V4: [Ipv4Net; 7] = [
    v4([10, 0, 0, 0], 8),
    // Shared behind a provider's translation.
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Link-local.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    // For measuring networks.
    v4([198, 18, 0, 0], 15),
];
const NEVER_V4: [Ipv4Net; 8] = [
    // "This network": systems take the first for this machine.
    v4([0, 0, 0, 0], 8),
    // Protocols' own.
    v4([192, 0, 0, 0], 24),
    // Documentation.
    v4([192, 0, 2, 0], 24),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Relays into IPv6, given up.
    v4([192, 88, 99, 0], 24),
    // Multicast.
    v4([224, 0, 0, 0], 4),
    // Reserved, and the address of everybody.
    v4([240, 0, 0, 0], 4),
];

/// What has been given to the open net.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);
const PRIVATE_V6: [Ipv6Net; 3] = [
    // Unique local, link-local and site-local.
    v6([0xfc00, 0, 0], 7),
    v6([0xfe80, 0, 0], 10),
    v6([0xfec0, 0, 0], 10),
];
const NEVER_V6: [Ipv6Net; 3] = [
    // Protocols' own, among them Teredo's tunnels, names of keys, and measuring.
    v6([0x2001, 0, 0], 23),
    // Documentation.
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x3fff, 0, 0], 20),
];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c]: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// Who may reach this address.
pub(super) fn of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    let within = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&address));
    if METADATA_V4.contains(&address) || within(&NEVER_V4) {
        Reach::Never
    } else if within(&PRIVATE_V4) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let within = |nets: &[Ipv6Net]| nets.iter().any(|net| net.contains(&address));
    if METADATA_V6.contains(&address) || within(&NEVER_V6) {
        return Reach::Never;
    }
    if address.is_loopback() || within(&PRIVATE_V6) {
        return Reach::Private;
    }
    // Where such a packet comes out is up to a translator of this network.
    match carried(address).map(of_v4) {
        Some(Reach::Public) => Reach::Private,
        Some(reach) => reach,
        None if GLOBAL_V6.contains(&address) => Reach::Public,
        None => Reach::Never,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (NAT64 by either
/// prefix, SIIT) or tunnelled (6to4). Teredo's are never reached.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let (high, low) = match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] => (g, h),
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => (g, h),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}
