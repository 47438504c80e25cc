use crate::place::{EAST, Place, WEST, assert_says, regions};

#[tokio::test]
async fn a_simulator_says_so_in_everything_it_says() {
    let control = Place::new().control("{ simulated = {} }", "").unwrap();
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "it begins at home");
    assert_says(&control.rehearse(&regions([WEST])).await.unwrap(), &["SIMULATED", WEST]);
    assert_eq!(control.regions().await.unwrap(), regions([EAST]), "a rehearsal moves nobody, not even in pretence");
    for to in [regions([WEST]), regions([WEST]), regions([EAST, WEST]), regions([])] {
        assert!(control.send_to(&to).await.unwrap().starts_with("SIMULATED"));
        assert_eq!(control.regions().await.unwrap(), to);
    }
    assert!(control.abilities().simulated);
    assert!(control.abilities().to_string().starts_with("SIMULATED"));
}
