//! Tests of the filter's program in an interpreter that runs it as the kernel does.

use libc::{BPF_ALU, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_LD, BPF_RET, sock_filter};
use proptest::prelude::*;

use crate::worker::sandbox::bpf::{Answer, Condition, Test, program};
use crate::worker::sandbox::filter;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();

/// A call as the kernel shows it to the program.
#[derive(Clone, Debug)]
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

/// Runs the program for a call. Returns its answer, and how many instructions that took.
fn run(program: &[sock_filter], call: &Call) -> (u32, usize) {
    let mut words = vec![call.number, call.architecture, 0, 0];
    for argument in call.arguments {
        let halves = [argument & u64::from(u32::MAX), argument >> 32];
        words.extend(halves.map(|half| u32::try_from(half).expect("it is half")));
    }
    let (mut at, mut value, mut steps) = (0, 0, 0);
    loop {
        let instruction = &program[at];
        let (class, test) = (
            u32::from(instruction.code) & 0x07,
            u32::from(instruction.code) & 0xf0,
        );
        at += 1;
        steps += 1;
        match class {
            BPF_RET => return (instruction.k, steps),
            BPF_LD => value = words[instruction.k as usize / 4],
            BPF_ALU => value &= instruction.k,
            BPF_JMP => {
                let holds = match test {
                    BPF_JEQ => value == instruction.k,
                    BPF_JGT => value > instruction.k,
                    BPF_JGE => value >= instruction.k,
                    other => panic!("the test {other:#x}"),
                };
                at += usize::from(if holds {
                    instruction.jt
                } else {
                    instruction.jf
                });
            }
            other => panic!("the class {other:#x}"),
        }
    }
}

/// The answer that the program must give, by the list.
fn answer(calls: &[(u32, Answer)], call: &Call) -> u32 {
    let holds = |condition: &Condition| {
        let argument = call.arguments[usize::from(condition.argument)];
        match condition.test {
            Test::Bits { mask, value } => argument & mask == value,
            Test::AtLeast(least) => argument >= least,
        }
    };
    match calls.iter().find(|(number, _)| *number == call.number) {
        None => REFUSE,
        Some((_, Answer::NoSuchCall)) => NO_SUCH_CALL,
        Some((_, Answer::Made(cases))) => {
            let is_made = cases.is_empty() || cases.iter().any(|case| case.iter().all(holds));
            if is_made { ALLOW } else { REFUSE }
        }
    }
}

fn own_architecture(program: &[sock_filter]) -> u32 {
    // The second instruction compares it.
    program[1].k
}

/// Numbers at and beside the limits of the tests.
fn argument() -> impl Strategy<Value = u64> {
    let near = [
        0_u64,
        4,
        16,
        17,
        65_536,
        libc::CLONE_THREAD.cast_unsigned().into(),
        (libc::SIGCHLD | libc::CLONE_PARENT).cast_unsigned().into(),
        1 << 32,
        u64::MAX,
    ];
    let near = proptest::sample::select(near.to_vec());
    let beside =
        (near.clone(), 0..3_u64).prop_map(|(number, by)| number.wrapping_add(by).wrapping_sub(1));
    let above = near.prop_map(|number| number | 1 << 40);
    prop_oneof![beside, above, any::<u64>()]
}

const MANY_CASES: &[&[Condition]] = &[
    &[
        Condition {
            argument: 0,
            test: Test::Bits {
                mask: 0xFF00_0000_00FF,
                value: 0x1100_0000_0022,
            },
        },
        Condition {
            argument: 5,
            test: Test::AtLeast(0x2_0000_0003),
        },
    ],
    &[Condition {
        argument: 3,
        test: Test::AtLeast(7),
    }],
];

proptest! {
    #[test]
    fn the_filter_answers_as_its_list_says(
        number in 0..512_u32,
        arguments in proptest::array::uniform6(argument()),
    ) {
        let calls = filter::answers();
        let program = filter::program().expect("this processor is known");
        let architecture = own_architecture(&program);
        let call = Call { number, architecture, arguments };
        let (answered, steps) = run(&program, &call);
        prop_assert_eq!(answered, answer(&calls, &call));
        prop_assert!(steps < 24, "{} steps", steps);
    }

    #[test]
    fn any_list_is_answered_as_it_says(
        numbers in proptest::collection::btree_map(0..64_u32, 0..3_usize, 1..40),
        number in 0..66_u32,
        arguments in proptest::array::uniform6(argument()),
        edge in 0..3_u64,
    ) {
        let kinds = [Answer::Made(&[]), Answer::Made(MANY_CASES), Answer::NoSuchCall];
        let calls: Vec<_> = numbers.iter().map(|(number, kind)| (*number, kinds[*kind])).collect();
        // Lists with many cases make a program too long for its jumps.
        prop_assume!(numbers.values().filter(|kind| **kind == 1).count() < 10);
        let program = program(calls.clone()).expect("this processor is known");
        let mut arguments = arguments;
        if edge > 0 {
            arguments[0] = arguments[0] & !0xFF00_0000_00FF | 0x1100_0000_0022;
            arguments[5] = 0x2_0000_0001 + edge;
            arguments[3] = 5 + edge;
        }
        let call = Call { number, architecture: own_architecture(&program), arguments };
        prop_assert_eq!(run(&program, &call).0, answer(&calls, &call));
    }
}

#[test]
fn a_call_for_another_processor_ends_the_process() {
    let program = filter::program().expect("this processor is known");
    let call = Call {
        number: libc::SYS_getpid.try_into().expect("it is small"),
        architecture: own_architecture(&program) + 1,
        arguments: [0; 6],
    };
    assert_eq!(run(&program, &call).0, libc::SECCOMP_RET_KILL_PROCESS);
}
